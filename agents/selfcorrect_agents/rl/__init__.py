"""Reinforcement learning on whole episodes: rollouts, objectives, the loss, the credit check."""
