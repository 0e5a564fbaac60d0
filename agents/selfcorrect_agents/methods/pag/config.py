"""PAG's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import STEPS, rl_presets


@dataclass(frozen=True, kw_only=True)
class PAGConfig(OnPolicyConfig):
    """PAG's coefficients; the defaults of the optimiser are `multiturn_rl`'s, not tuned for it."""

    presets: ClassVar[dict[str, dict[str, Any]]] = rl_presets(
        {name: {"steps": steps} for name, steps in STEPS.items()}
    )
    sampling: Sampling = Sampling(problems_per_step=8)
    optimization: Optimization = Optimization(learning_rate=5e-4)
    steps: int = 640
    """Steps, ≥ 1."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of every turn, ≥ 0; the released code: no KL."""
    bonus: float = 1.0
    """Coefficient of the revision's bonus, ``r(y₂) − r(y₁)``, ≥ 0; the released script for
    Qwen2.5-1.5B: 1."""
    normalise_roles: bool = True
    """Whether advantages are normalised over all answers, and over all verifications
    (RoleAdvNorm)."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "beta_1", "bonus")

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
