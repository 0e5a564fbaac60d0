"""SCoRe: self-correction by two-stage reinforcement learning."""

from selfcorrect_agents.methods.score.config import SCoReConfig
from selfcorrect_agents.methods.score.score import SCoRe

__all__ = ["SCoRe", "SCoReConfig"]
