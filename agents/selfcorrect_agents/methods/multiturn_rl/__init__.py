"""Plain multi-turn RL on both attempts."""

from selfcorrect_agents.methods.multiturn_rl.multiturn_rl import MultiTurnRL, MultiTurnRLConfig

__all__ = ["MultiTurnRL", "MultiTurnRLConfig"]
