"""PAG's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.checks import at_least
from selfcorrect_agents.training.one_stage import PRESETS, OneStageConfig


@dataclass(frozen=True, kw_only=True)
class PAGConfig(OneStageConfig):
    """PAG's coefficients; the defaults of the optimiser are `multiturn_rl`'s, not tuned for it."""

    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS
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
        at_least(self, 0, "bonus")

    @property
    def between_turns(self) -> tuple[str, ...]:
        """The texts between the turns, for the plan of a run: those of `Verification`."""
        from selfcorrect_agents.methods.pag.verification import Verification

        return (Verification().verify, Verification().revise)

    def turns(self, attempts: int) -> int:
        """Return the turns that are sampled: a verification stands between the two attempts."""
        return attempts + 1
