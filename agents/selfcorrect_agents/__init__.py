"""Agents that learn on selfcorrect_env: the shared ground and a package for each method."""
