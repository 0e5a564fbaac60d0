"""RISE's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import above_zero
from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.training.presets import imitation_presets


@dataclass(frozen=True, kw_only=True)
class RISEConfig(SupervisedConfig):
    """RISE's own choices."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=6)
    iterations: int = 6
    """Rounds of playing and fitting, ≥ 1; each plays the policy that the round before left."""
    rollouts: int = 26
    """Steps of gathering in one round, ≥ 1."""
    weight_temperature: float = 1.0
    """τ of the weights exp((r − r̄)/τ), > 0; small ones leave only what beats the problem's mean."""
    solved_only: bool = False
    """Leave out the situations of problems to which no right reply is known; by default their own
    second replies, wrong as they are, are imitated at weight 1."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        above_zero(self, "weight_temperature")
