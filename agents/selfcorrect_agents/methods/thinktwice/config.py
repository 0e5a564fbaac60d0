"""ThinkTwice's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import STEPS, rl_presets


@dataclass(frozen=True, kw_only=True)
class ThinkTwiceConfig(OnPolicyConfig):
    """ThinkTwice's coefficients; the defaults are those of `multiturn_rl`, not tuned for it."""

    presets: ClassVar[dict[str, dict[str, Any]]] = rl_presets(
        {name: {"steps": steps} for name, steps in STEPS.items()}
    )
    sampling: Sampling = Sampling(problems_per_step=8)
    optimization: Optimization = Optimization(learning_rate=5e-4)
    steps: int = 640
    """Steps, ≥ 2: solving and refining alternate, so half of them are of each kind."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of the turn that is trained, ≥ 0; the released code: no KL."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 2, "steps", why="solving and refining alternate")
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
