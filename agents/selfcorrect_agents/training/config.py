"""What every method's configuration shares; each is a frozen dataclass that checks itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

from typing_extensions import Self

from selfcorrect_agents.rl.reinforce import AdvantageKind, KLTerm, Objective, Unit, check_kl_term


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """What every method that learns from its own episodes is asked: how it plays them."""

    problems_per_step: int = 32
    """Problems in one step, ≥ 1."""
    samples: int = 8
    """Episodes of each problem in one step, ≥ 2: they are each other's baseline (RLOO)."""
    learning_rate: float = 1e-3
    """Of AdamW, > 0. The paper: 5e-6 (MATH), 1e-5 (MBPP) for large models (table 5)."""
    temperature: float = 1.0
    """Of sampling, > 0. The paper: 1.0 (table 5)."""
    max_new_tokens: int = 16
    """Token cap of one reply, the same in both turns."""
    max_grad_norm: float = 0.3
    """The gradient's norm is clipped to this, > 0: rare tokens make the KL's gradient spike."""
    rows_per_forward: int = 256
    """Episodes in one forward pass: lower it where memory is short; the result is the same."""
    seed: int = 0
    """Of problems and samples."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant; an invalid configuration does not exist."""
        at_least(self, 1, "problems_per_step", "max_new_tokens", "rows_per_forward")
        at_least(self, 1, "checkpoint_every")
        at_least(self, 0, "seed")
        at_least(self, 2, "samples", "(they are each other's baseline)")
        above_zero(self, "learning_rate", "temperature", "max_grad_norm")

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        raise NotImplementedError

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step samples."""
        return self.problems_per_step * self.samples

    @property
    def episodes(self) -> int:
        """Training episodes that a whole run samples: its budget."""
        return self.total_steps * self.episodes_per_step

    def within(self, episodes: int) -> Self:
        """Return the same configuration with as many steps as a budget of ``episodes`` pays for.

        Raises:
            ValueError: the budget is below one step, or what the method needs at least.
        """
        steps = episodes // self.episodes_per_step
        if steps < 1:
            raise ValueError(
                f"A budget of {episodes} episodes is less than one step of "
                f"{self.episodes_per_step}: raise it, or lower problems_per_step or samples."
            )
        return replace(self, **self.steps_within(steps))

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the fields that make `total_steps` equal to ``steps``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig(SamplingConfig):
    """What every method of reinforcement learning is asked: how episodes become a gradient.

    The defaults are the paper's equations; see `selfcorrect_agents.rl.reinforce.Objective`.
    """

    gamma: float = 0.0
    """Discount across turns, in [0, 1]; 0 credits each turn with its own reward (appendix A.2)."""
    kl: KLTerm = "full_loss"
    """How the KL to the base policy enters the objective."""
    advantage: AdvantageKind = "leave_one_out"
    """What a return is compared with: a problem's other samples, the batch, or GRPO's norm."""
    unit: Unit = "sequence"
    """Whose log-probabilities are units of the loss: whole turns (the equations'), or tokens."""
    clip: float | None = None
    """PPO's ε, > 0; it matters with epochs > 1 only, and is refused without."""
    importance_cap: float | None = None
    """Cap ≥ 1 of truncated importance weights, for samples that are not of the policy itself."""
    epochs: int = 1
    """Optimiser steps on the same episodes; above 1 it needs clip or importance_cap."""
    oversample: int = 1
    """Dynamic sampling (DAPO, arXiv 2503.14476): this many times problems_per_step problems are
    played, and those whose samples differ in reward are taken first. All of them are paid for."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        check(0 <= self.gamma <= 1, "gamma", "in [0, 1]", self.gamma)
        check_kl_term(self.kl)
        among(self, "advantage", get_args(AdvantageKind))
        among(self, "unit", get_args(Unit))
        at_least(self, 1, "epochs", "oversample")
        if self.clip is not None:
            above_zero(self, "clip")
            check(self.epochs > 1, "epochs", "above 1 where clip is set", self.epochs)
        if self.importance_cap is not None:
            at_least(self, 1, "importance_cap")
            check(self.clip is None, "importance_cap", "None where clip is set", self.clip)
        if self.epochs > 1 and self.clip is None and self.importance_cap is None:
            raise ValueError(
                f"epochs={self.epochs} steps on the same samples are off-policy after the first: "
                "set clip (PPO, 0.2 say) or importance_cap (2, say)."
            )

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step samples, those of dynamic sampling included."""
        return self.oversample * self.problems_per_step * self.samples

    @property
    def objective(self) -> Objective:
        """How a batch becomes a loss."""
        return Objective(
            gamma=self.gamma,
            kl=self.kl,
            advantage=self.advantage,
            unit=self.unit,
            clip=self.clip,
            importance_cap=self.importance_cap,
        )


def check(holds: bool, name: str, expected: str, value: object) -> None:
    """Raise a ValueError that names the field unless ``holds``."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {value!r}.")


def at_least(config: object, least: float, *names: str) -> None:
    """Refuse fields below ``least``; a word in parentheses at the end says why."""
    why = f" {names[-1]}" if names[-1].startswith("(") else ""
    for name in names:
        if not name.startswith("("):
            value = getattr(config, name)
            check(value >= least, name, f"at least {least:g}{why}", value)


def above_zero(config: object, *names: str) -> None:
    """Refuse fields that are not above 0."""
    for name in names:
        check(getattr(config, name) > 0, name, "above 0", getattr(config, name))


def among(config: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a field that is none of ``choices``."""
    value = getattr(config, name)
    check(value in choices, name, f"one of {', '.join(choices)}", value)
