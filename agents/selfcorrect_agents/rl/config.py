"""`Objective`: how a batch becomes a loss. It needs no torch, so that --help answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from selfcorrect_agents.checks import above_zero, among, at_least, check

KLTerm: TypeAlias = Literal[
    "full_loss", "k1_reward", "k2_reward", "k3_reward", "k2_loss", "k3_loss"
]
"""How ``β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t))`` enters; all of them act on turn t's own tokens.

- ``full_loss``: over the vocabulary at each sampled prefix, with the gradient through the prefixes;
  exact, and of least variance.
- ``k1_reward``: ``−β_t k1`` of turn t in turn t's return; the same gradient, sampled.
- ``k2_loss``: the same gradient as a loss, sampled.
- ``k2_reward``, ``k3_reward``, ``k3_loss``: alternatives of other trainers. Their gradients are
  *not* the KL's: ``k3_loss`` follows the forward KL(π_ref ‖ π).

``k1_loss`` does not exist: its expected gradient is zero.
"""

AdvantageKind: TypeAlias = Literal["leave_one_out", "batch_mean", "group_normalised"]
"""The advantage of a return; see the functions of these names in `objectives`."""

Unit: TypeAlias = Literal["sequence", "token"]
"""Whose probability ratio is taken, and what the loss is a mean over: whole turns (the
equations' π(y_t|x_t)), or tokens (every token weighs the same, however long its turn)."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How a batch becomes a loss: ``−E Σ_t [ A_t log π − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]``."""

    gamma: float = 0.0
    """Discount across turns, in [0, 1]; 0 credits each turn with its own reward (appendix A.2)."""
    kl: KLTerm = "full_loss"
    """How the KL to the base policy enters the objective."""
    advantage: AdvantageKind = "leave_one_out"
    """The baseline of a return: a problem's other samples, the batch, or GRPO's normalisation."""
    unit: Unit = "sequence"
    """Whose log-probabilities are units of the loss: whole turns (the equations'), or tokens."""
    clip: float | None = None
    """PPO's ε, > 0; it acts only with epochs > 1 and is refused without. None: REINFORCE."""
    importance_cap: float | None = None
    """Cap ≥ 1 of the importance weights of samples that another policy drew; None for none."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        check(0 <= self.gamma <= 1, "gamma", "in [0, 1]", self.gamma)
        check_kl_term(self.kl)
        among(self, "advantage", get_args(AdvantageKind))
        among(self, "unit", get_args(Unit))
        if self.clip is not None:
            above_zero(self, "clip")
        if self.importance_cap is not None:
            at_least(self, 1, "importance_cap")
            check(self.clip is None, "importance_cap", "None if clip is set", self.importance_cap)


def kl_is_in(kl: KLTerm, part: Literal["loss", "reward"]) -> bool:
    """Whether the KL term is part of the loss, or of the reward."""
    return kl.partition("_")[2] == part


def check_kl_term(kl: str) -> None:
    """Refuse a KL term that does not exist, saying why.

    Raises:
        ValueError: it is none of `KLTerm`.
    """
    if kl == "k1_loss":
        raise ValueError(
            "kl='k1_loss' would teach nothing: the expected gradient of k1 as a loss is zero. "
            "Take 'k1_reward' or 'k2_loss', which follow the KL's gradient, or 'full_loss'."
        )
    if kl not in get_args(KLTerm):
        raise ValueError(f"kl must be one of {', '.join(get_args(KLTerm))}; got {kl!r}.")
