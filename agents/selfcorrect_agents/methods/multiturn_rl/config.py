"""Multi-turn RL's configuration: its coefficients, and the paper's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import above_zero, at_least
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import STEPS, rl_presets


@dataclass(frozen=True, kw_only=True)
class MultiTurnRLConfig(OnPolicyConfig):
    """Plain multi-turn RL's coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    presets: ClassVar[dict[str, dict[str, Any]]] = rl_presets(
        {name: {"steps": steps} for name, steps in STEPS.items()}
    )
    sampling: Sampling = Sampling(problems_per_step=8)
    optimization: Optimization = Optimization(learning_rate=5e-4)
    steps: int = 640
    """Steps, ≥ 1."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""
    first_scale: float = 1.0
    """Factor on the reward of the first attempt, ≥ 0. 0 rewards later attempts alone, as in the
    paper's figure 6 (section 5); with ``gamma`` above 0 they then teach all attempts."""
    later_scale: float = 1.0
    """Factor on the reward of every attempt but the first, > 0. 1 is plain RL; 1 + α weighs
    later attempts as SCoRe's bonus does in expectation: a control, not a method of the paper."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "beta_1", "first_scale")
        above_zero(self, "later_scale")

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
