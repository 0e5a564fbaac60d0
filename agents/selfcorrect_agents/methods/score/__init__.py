"""SCoRe: self-correction by two-stage reinforcement learning."""

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use
from selfcorrect_agents.methods.score.config import SCoReConfig

if TYPE_CHECKING:
    from selfcorrect_agents.methods.score.score import SCoRe

__all__ = ["SCoRe", "SCoReConfig"]

__getattr__ = on_first_use(__name__, {"score": ("SCoRe",)})
