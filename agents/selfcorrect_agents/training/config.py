"""The parts that the configurations of the methods are composed of.

A method's configuration is a frozen dataclass with a part for each concern (`Sampling`,
`Objective`, `Optimization`, `Execution` …) and fields of its own. Each part checks itself. In
files and on the command line a configuration is flat: ``{"learning_rate": 5e-4, "alpha": 10}``;
`flat` and `from_flat` convert.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, get_args

from typing_extensions import Self

from selfcorrect_agents.checks import above_zero, among, at_least, check
from selfcorrect_agents.flat_config import changed, flat, flat_fields, from_flat
from selfcorrect_agents.lm.model_config import OptimizerName
from selfcorrect_agents.lm.token_caps import TINY_TOKEN_CAP
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.training.presets import RL_WITHOUT_BETA
from selfcorrect_agents.training.schedule import (
    SHAPES,
    Shape,
    check_warmup,
    depends_on_length,
    rate_factor,
)

__all__ = [
    "Evaluation",
    "Execution",
    "OnPolicyConfig",
    "Optimization",
    "Sampling",
    "TrainingConfig",
    "changed",
    "flat",
    "flat_fields",
    "from_flat",
    "steps_in",
]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the episodes of a step are sampled."""

    problems_per_step: int = 32
    """Problems in one step, ≥ 1."""
    samples: int = 8
    """Episodes of each problem in one step, ≥ 2: they are each other's baseline (RLOO)."""
    temperature: float = 1.0
    """Sampling temperature, > 0. The paper: 1.0 (table 5)."""
    max_new_tokens: int = TINY_TOKEN_CAP
    """Token cap of one reply, the same in every turn, ≥ 1."""
    seed: int = 0
    """Seed of problems and samples, ≥ 0."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "problems_per_step", "max_new_tokens")
        at_least(self, 2, "samples", why="they are each other's baseline")
        at_least(self, 0, "seed")
        above_zero(self, "temperature")


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How a loss changes the weights."""

    learning_rate: float = 5e-4
    """Learning rate of AdamW, > 0. The paper: 5e-6 (MATH), 1e-5 (MBPP) for large models
    (table 5)."""
    max_grad_norm: float = 0.3
    """The gradient is clipped to this norm, ≥ 0; 0 clips nothing. Rare tokens make the KL's
    gradient spike. The equations have no clipping: ``train/clipped`` says how often it acts."""
    optimizer: OptimizerName = "adamw"
    """AdamW with states in float32, in 8 bits, or in 8 bits and paged out of a GPU's memory; the
    last two need the library bitsandbytes."""
    epochs: int = 1
    """Optimizer steps on the same episodes, ≥ 1; above 1 it needs clip or importance_cap."""
    schedule: Shape = "constant"
    """The learning rate after warm-up: constant, or down to 0 in a line or half a cosine. It runs
    once over each stage of a method, from the stage's own learning rate. The paper gives none."""
    warmup: float = 0.0
    """Steps in which the learning rate rises from 0, ≥ 0, in each stage; below 1 it is a share of
    the stage's steps."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        above_zero(self, "learning_rate")
        at_least(self, 0, "max_grad_norm")
        at_least(self, 1, "epochs")
        among(self, "optimizer", get_args(OptimizerName))
        among(self, "schedule", SHAPES)
        check_warmup(self.warmup)

    def rate_factor(self, step: int, steps: int) -> float:
        """Return the factor on a stage's learning rate at its ``step``, from 0, of ``steps``."""
        return rate_factor(self.schedule, self.warmup, step, steps)

    @property
    def fixes_length(self) -> bool:
        """Whether the learning rate depends on the number of steps: such a run can't grow."""
        return depends_on_length(self.schedule, self.warmup)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What changes memory, disk use and when a run is given up, not the result; a resumed run may
    change it."""

    tokens_per_forward: int | None = None
    """Tokens in one forward pass of an update, ≥ 1, padding included (an episode is never cut).
    None: as many as the free memory allows; `selfcorrect train … --plan` shows it."""
    rows_at_once: int | None = None
    """Episodes that are sampled at once, ≥ 1, whose keys and values are in memory; what they sample
    does not depend on it. None: as many as the free memory allows."""
    checkpoint_every: int = 50
    """Steps between checkpoints, ≥ 1."""
    max_kl: float | None = None
    """Training stops where the KL of a turn to the reference is above this, in nats a sampled
    token, > 0; None never stops. 1 means that the reference gives the replies e times less
    probability a token than the policy."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "checkpoint_every")
        for name in ("tokens_per_forward", "rows_at_once"):
            if getattr(self, name) is not None:
                at_least(self, 1, name)
        if self.max_kl is not None:
            above_zero(self, "max_kl")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Evaluation on held-out problems in the course of training, never on the split ``test``."""

    eval_every: int = 0
    """Steps between evaluations on held-out problems, ≥ 0; 0 takes none. One follows each fit and
    the last step, too; steps that only gather episodes have none, as they change no weights."""
    eval_problems: int = 200
    """Held-out problems of an evaluation, the first of their split, ≥ 1."""
    eval_split: str = "validation"
    """The split that they are of. ``train`` takes them out of the training problems, by a hash of
    their text, a fifth of those at most; ``test`` is refused."""
    eval_decoding: Literal["greedy", "sampled", "both"] = "greedy"
    """``greedy`` logs eval/…, ``sampled``, at the training's temperature, eval_sampled/…"""
    best_metric: str | None = None
    """The metric on held-out problems that is best where it is highest; by default eval/t2/accuracy
    with two attempts: the accuracy of the last one."""
    keep_best: bool = False
    """Whether the trained model is the one of the best evaluation, the first of several, not of
    the last step."""
    eval_patience: int = 0
    """Training ends after this many evaluations in a row that are no better than the best before
    them, ≥ 0; 0 takes every step. SCoRe counts those of its last stage alone."""

    @property
    def of_another_split(self) -> bool:
        """Whether there are evaluations, and their problems are none of the training's split."""
        return self.eval_every > 0 and self.eval_split != "train"

    @property
    def chooses(self) -> bool:
        """Whether evaluations decide which model is kept, or when training ends."""
        return self.keep_best or self.eval_patience > 0

    def held_out_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of an environment of `eval_split`, given those of training.

        An option ``size`` counts the training problems; another split has its own number.
        """
        others = {key: value for key, value in options.items() if key != "size"}
        return {**others, "split": self.eval_split}

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 0, "eval_every", "eval_patience")
        at_least(self, 1, "eval_problems")
        among(self, "eval_decoding", ("greedy", "sampled", "both"))
        not_test = "another split than 'test', which is for measuring the trained model"
        check(self.eval_split != "test", "eval_split", not_test, self.eval_split)
        if self.keep_best or self.eval_patience or self.best_metric:
            why = "above 0 with keep_best, eval_patience or best_metric"
            check(self.eval_every > 0, "eval_every", why, self.eval_every)


class TrainingConfig(Protocol):
    """What a `Trainer` needs of a method's configuration."""

    @property
    def sampling(self) -> Sampling:
        """How the episodes of a step are sampled."""
        ...

    @property
    def execution(self) -> Execution:
        """Memory and disk use."""
        ...

    @property
    def evaluation(self) -> Evaluation:
        """Evaluation on held-out problems."""
        ...

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first step."""
        ...

    @property
    def optimizer(self) -> OptimizerName:
        """The optimizer."""
        ...

    @property
    def max_grad_norm(self) -> float:
        """The gradient is clipped to this norm, ≥ 0; 0 clips nothing."""
        ...

    @property
    def optimizers(self) -> int:
        """Optimisers, ≥ 1, whose states are in memory at once."""
        ...

    @property
    def saved_optimizers(self) -> int:
        """Optimisers, ≥ 0, whose states a checkpoint holds."""
        ...

    @property
    def weight_copies(self) -> int:
        """Copies of the trained weights, ≥ 0, that are in memory beside policy and reference."""
        ...

    def turns(self, attempts: int) -> int:
        """Return the turns that are sampled in an episode of ``attempts`` attempts."""
        ...


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig:
    """The parts of every method of reinforcement learning; subclasses add their own fields.

    The defaults of `Objective` are the paper's equations; those of `Optimization` clip the
    gradient, which the paper does not mention.
    """

    presets: ClassVar[dict[str, dict[str, Any]]] = RL_WITHOUT_BETA
    """Preset -> fields by flat name; a subclass may have presets of its own fields, too."""
    sampling: Sampling = Sampling()
    objective: Objective = Objective()
    optimization: Optimization = Optimization()
    execution: Execution = Execution()
    evaluation: Evaluation = Evaluation()
    oversample: int = 1
    """Dynamic sampling (DAPO, arXiv 2503.14476): this many times problems_per_step problems are
    sampled, ≥ 1; those whose samples differ in reward are used first. All count as budget."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "oversample")
        epochs, objective = self.optimization.epochs, self.objective
        if objective.clip is not None:
            check(epochs > 1, "epochs", "above 1 if clip is set", epochs)
        if epochs > 1 and objective.clip is None and objective.importance_cap is None:
            raise ValueError(
                f"epochs={epochs} steps on the same samples are off-policy after the first: "
                "set clip (PPO, 0.2 say) or importance_cap (2, say)."
            )

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first step."""
        return self.optimization.learning_rate

    @property
    def optimizer(self) -> OptimizerName:
        """The optimizer."""
        return self.optimization.optimizer

    @property
    def max_grad_norm(self) -> float:
        """The gradient is clipped to this norm."""
        return self.optimization.max_grad_norm

    @property
    def optimizers(self) -> int:
        """Optimisers whose states are in memory at once."""
        return 1

    @property
    def saved_optimizers(self) -> int:
        """Optimisers whose states a checkpoint holds."""
        return 1

    @property
    def weight_copies(self) -> int:
        """Copies of the trained weights in memory beside policy and reference."""
        return 0

    @property
    def updates_groups(self) -> bool:
        """Whether every update is on groups of episodes of one problem."""
        return True

    def turns(self, attempts: int) -> int:
        """Return the turns that are sampled in an episode of ``attempts`` attempts."""
        return attempts

    def rate_factor(self, step: int) -> float:
        """Return the factor on the learning rate at the run's ``step``, from 0, by the schedule."""
        return self.optimization.rate_factor(*self.within_stage(step))

    def within_stage(self, step: int) -> tuple[int, int]:
        """Return a step's number within its stage, from 0, and the stage's number of steps."""
        return step, self.total_steps

    @property
    def extendable(self) -> tuple[str, ...]:
        """Fields that a resumed run may raise, to continue a run that has ended: `growing`, unless
        the learning rate depends on their values."""
        return () if self.optimization.fixes_length else self.growing

    @property
    def growing(self) -> tuple[str, ...]:
        """Fields that make a run longer."""
        return ()

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        raise NotImplementedError

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step samples, those of dynamic sampling included."""
        return self.oversample * self.sampling.problems_per_step * self.sampling.samples

    def episodes_in(self, step: int) -> int:
        """Return the episodes that ``step`` (from 0) samples; a method may have other steps."""
        return self.episodes_per_step

    @property
    def episodes(self) -> int:
        """Training episodes that a whole run samples: its budget."""
        return sum(map(self.episodes_in, range(self.total_steps)))

    def within(self, episodes: int) -> Self:
        """Return the same configuration with as many steps as ``episodes`` allow.

        Raises:
            ValueError: the budget is below one step, or below the method's minimum.
        """
        shortest = steps_in(episodes, self.episodes_per_step)  # if every step is oversampled
        longest = episodes * self.oversample // self.episodes_per_step  # if none is

        def too_long(steps: int) -> bool:
            return self._of_length(steps).episodes > episodes

        found = bisect_left(range(longest + 1), True, lo=shortest + 1, key=too_long)
        return self._of_length(found - 1)

    def _of_length(self, steps: int) -> Self:
        return dataclasses.replace(self, **self.steps_within(steps))

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the fields that make `total_steps` at most ``steps``."""
        raise NotImplementedError


def steps_in(episodes: int, per_step: int) -> int:
    """Return how many steps of ``per_step`` episodes a budget of ``episodes`` allows.

    Raises:
        ValueError: not a single one.
    """
    if episodes < per_step:
        raise ValueError(
            f"A budget of {episodes} episodes is less than one step of {per_step}: raise it, or "
            "lower problems_per_step or samples."
        )
    return episodes // per_step
