"""STaR's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.training.presets import imitation_presets


@dataclass(frozen=True, kw_only=True)
class STaRConfig(SupervisedConfig):
    """STaR's own choices: how many iterations, and which traces."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=3)
    iterations: int = 3
    """How often episodes are gathered and the policy is fitted, ≥ 1; the paper: 3."""
    rollouts: int = 53
    """Steps of gathering in one iteration, ≥ 1."""
    plus: bool = False
    """D⁺_STaR instead of D_STaR: traces that go from right to right are added."""
