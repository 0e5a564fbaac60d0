"""ThinkTwice's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.one_stage import PRESETS, OneStageConfig


@dataclass(frozen=True, kw_only=True)
class ThinkTwiceConfig(OneStageConfig):
    """ThinkTwice's coefficients; the defaults are those of `multiturn_rl`, not tuned for it."""

    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS
    steps: int = 640
    """Steps, ≥ 2: solving and refining alternate, so half of them are of each kind."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of the turn that is trained, ≥ 0; the released code: no KL."""

    def episodes_in(self, step: int) -> int:
        """Return the episodes that ``step`` (from 0) samples: refining oversamples nothing."""
        return self.episodes_per_step // (1 if step % 2 == 0 else self.oversample)

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 2, "steps", why="solving and refining alternate")
