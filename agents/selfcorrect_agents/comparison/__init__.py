"""Comparing methods of self-correction: at equal budgets, over seeds, on the same problems."""
