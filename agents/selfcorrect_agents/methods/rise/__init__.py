"""RISE-style on-policy distillation of one's own best second attempts."""

from selfcorrect_agents.methods.rise.rise import RISE, RISEConfig

__all__ = ["RISE", "RISEConfig"]
