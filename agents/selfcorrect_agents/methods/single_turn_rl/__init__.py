"""RL on the first attempt alone."""

from selfcorrect_agents.methods.single_turn_rl.single_turn_rl import (
    SingleTurnRL,
    SingleTurnRLConfig,
)

__all__ = ["SingleTurnRL", "SingleTurnRLConfig"]
