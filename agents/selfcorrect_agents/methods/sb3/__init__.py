"""Training with stable-baselines3: PPO and A2C, token by token."""

from typing import TYPE_CHECKING, Any

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.sb3.config import (
    MISSING,
    SB3A2CConfig,
    SB3Config,
    SB3PPOConfig,
)
from selfcorrect_env import AgentError

if TYPE_CHECKING:
    from selfcorrect_agents.methods.sb3.lm_policy import CausalLMPolicy
    from selfcorrect_agents.methods.sb3.sb3 import SB3A2C, SB3PPO

__all__ = ["SB3A2C", "SB3PPO", "CausalLMPolicy", "SB3A2CConfig", "SB3Config", "SB3PPOConfig"]

_first_use = on_first_use(__name__, {"sb3": ("SB3A2C", "SB3PPO"), "lm_policy": ("CausalLMPolicy",)})


def __getattr__(name: str) -> Any:
    try:
        return _first_use(name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("stable_baselines3"):
            raise
        raise AgentError(MISSING.format(error=error)) from error
