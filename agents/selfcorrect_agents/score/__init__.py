"""SCoRe: self-correction by two-stage reinforcement learning."""

from selfcorrect_agents.score.config import SCoReConfig
from selfcorrect_agents.score.score import SCoRe

__all__ = ["SCoRe", "SCoReConfig"]
