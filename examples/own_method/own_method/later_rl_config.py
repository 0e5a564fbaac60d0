"""The configuration of ``later_rl``, in a module without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfcorrect_agents import OnPolicyConfig


@dataclass(frozen=True, kw_only=True)
class LaterRLConfig(OnPolicyConfig):
    """The method's own fields; sampling, objective and optimizer are in `OnPolicyConfig`."""

    steps: int = 200
    """Steps, at least 1."""
    beta: float = 0.1
    """KL coefficient of both attempts, at least 0."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}.")
        if self.beta < 0:
            raise ValueError(f"beta must be at least 0, got {self.beta}.")

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.steps

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run ``steps`` long."""
        return {"steps": steps}
