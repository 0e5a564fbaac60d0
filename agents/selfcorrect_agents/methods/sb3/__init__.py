"""Training with stable-baselines3: PPO and A2C, token by token."""

from selfcorrect_agents.methods.sb3.sb3 import SB3A2C, SB3PPO, SB3A2CConfig, SB3Config, SB3PPOConfig

__all__ = ["SB3A2C", "SB3PPO", "SB3A2CConfig", "SB3Config", "SB3PPOConfig"]
