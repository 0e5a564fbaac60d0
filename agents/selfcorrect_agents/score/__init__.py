"""SCoRe: two-stage on-policy reinforcement learning of self-correction."""

from selfcorrect_agents.score.score import SCoRe, SCoReConfig

__all__ = ["SCoRe", "SCoReConfig"]
