"""Training with stable-baselines3: PPO and A2C, token by token."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.sb3.config import SB3A2CConfig, SB3Config, SB3PPOConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.sb3.sb3 import SB3A2C, SB3PPO

__all__ = ["SB3A2C", "SB3PPO", "SB3A2CConfig", "SB3Config", "SB3PPOConfig"]

__getattr__ = on_first_use(__name__, {"sb3": ("SB3A2C", "SB3PPO")})
