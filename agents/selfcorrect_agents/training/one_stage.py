"""`OneStageConfig`: the configuration of a method whose steps are all alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import STEPS, rl_presets

PRESETS = rl_presets({name: {"steps": steps} for name, steps in STEPS.items()})
"""The presets of such a method, whose own fields keep their defaults."""


@dataclass(frozen=True, kw_only=True)
class OneStageConfig(OnPolicyConfig):
    """The parts of a method of reinforcement learning whose steps are all alike."""

    sampling: Sampling = Sampling(problems_per_step=8)
    optimization: Optimization = Optimization(learning_rate=5e-4)
    steps: int = 640
    """Steps, ≥ 1."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "beta_1")

    @property
    def growing(self) -> tuple[str, ...]:
        """Fields that make a run longer."""
        return ("steps",)

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.steps

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run ``steps`` long."""
        return {"steps": steps}
