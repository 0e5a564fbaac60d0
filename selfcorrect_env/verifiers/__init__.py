"""Verifiers: they map (problem, response) to a verdict."""
