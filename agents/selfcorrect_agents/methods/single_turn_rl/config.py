"""Single-turn RL's configuration: its coefficients, and the paper's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import STEPS, rl_presets


@dataclass(frozen=True, kw_only=True)
class SingleTurnRLConfig(OnPolicyConfig):
    """Single-turn RL's own coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    presets: ClassVar[dict[str, dict[str, Any]]] = rl_presets(
        {name: {"steps": steps} for name, steps in STEPS.items()}
    )
    sampling: Sampling = Sampling(problems_per_step=16)
    optimization: Optimization = Optimization(learning_rate=3e-4)
    steps: int = 320
    """Steps, ≥ 1."""
    beta_1: float = 0.1
    """β₁, the KL coefficient of the first turn, ≥ 0; the paper: 0.01 (table 5)."""

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
