"""Supervised fine-tuning on traces: which traces, and the fit."""
