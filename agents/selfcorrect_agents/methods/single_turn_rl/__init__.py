"""RL on the first attempt alone."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.single_turn_rl.config import SingleTurnRLConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.single_turn_rl.single_turn_rl import SingleTurnRL

__all__ = ["SingleTurnRL", "SingleTurnRLConfig"]

__getattr__ = on_first_use(__name__, {"single_turn_rl": ("SingleTurnRL",)})
