"""Multi-turn RL's configuration: its coefficients, and the paper's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import above_zero, at_least
from selfcorrect_agents.training.one_stage import PRESETS, OneStageConfig


@dataclass(frozen=True, kw_only=True)
class MultiTurnRLConfig(OneStageConfig):
    """Plain multi-turn RL's coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS
    first_scale: float = 1.0
    """Factor on the reward of the first attempt, ≥ 0. 0 rewards later attempts alone, as in the
    paper's figure 6 (section 5); with ``gamma`` above 0 they then teach all attempts."""
    later_scale: float = 1.0
    """Factor on the reward of every attempt but the first, > 0. 1 is plain RL; 1 + α weighs
    later attempts as SCoRe's bonus does in expectation, at γ = 0: a control, not of the paper."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 0, "first_scale")
        above_zero(self, "later_scale")
