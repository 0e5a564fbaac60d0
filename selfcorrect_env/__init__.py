"""selfcorrect-env: a two-attempt Gymnasium environment for training language models to self-correct."""
