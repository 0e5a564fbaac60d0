"""Training runs: the trainer, configurations, checkpoints, the run folder."""
