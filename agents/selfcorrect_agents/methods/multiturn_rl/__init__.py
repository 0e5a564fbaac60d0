"""Plain multi-turn RL on both attempts."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.multiturn_rl.config import MultiTurnRLConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.multiturn_rl.multiturn_rl import MultiTurnRL

__all__ = ["MultiTurnRL", "MultiTurnRLConfig"]

__getattr__ = on_first_use(__name__, {"multiturn_rl": ("MultiTurnRL",)})
