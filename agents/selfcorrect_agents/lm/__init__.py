"""Causal language models: loading, sampling, scoring, chat templates, tiny models."""
