"""The parts of the configurations of the methods that imitate traces."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from typing_extensions import Self

from selfcorrect_agents.checks import above_zero, among, at_least, check
from selfcorrect_agents.lm.model_config import OptimizerName
from selfcorrect_agents.training.config import Evaluation, Execution, Sampling, steps_in
from selfcorrect_agents.training.presets import imitation_presets

FirstReply: TypeAlias = Literal["never", "right", "always"]


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a policy is fitted to traces."""

    learning_rate: float = 3e-4
    """Learning rate of AdamW, > 0; each fit has a fresh optimizer."""
    warmup: int = 0
    """Optimizer steps in which the learning rate of a fit rises from 0, ≥ 0. A fit ends when its
    held-out loss stops falling, so there is no length that the rate could fall over."""
    optimizer: OptimizerName = "adamw"
    """AdamW with states in float32, in 8 bits, or in 8 bits and paged out of a GPU's memory; the
    last two need the library bitsandbytes."""
    batch_size: int = 64
    """Traces in one optimizer step, ≥ 1."""
    first_reply: FirstReply = "right"
    """Whether the first reply of a trace carries loss as well: if it is right, always, or never.
    Without it, first attempts drift while second ones are imitated. In D_SFT and D_STaR every
    first reply is wrong, so ``right`` is ``never`` there; it acts on the + sets and on RISE's."""
    epochs: int = 0
    """Passes over all traces that a fit takes, ≥ 0; no trace is held out then. With 0 a fit ends
    by its held-out loss, as the following fields say. The paper: 1 epoch (section 4)."""
    held_out: float = 0.1
    """Share of the traces' problems that are held out to stop the fit, in [0, 1). With none (0, or
    a single problem) a fit takes `check_every` steps."""
    most_held_out: int = 500
    """Maximum number of traces that are held out, ≥ 1; more would only cost time."""
    check_every: int = 50
    """Optimizer steps between two evaluations of the held-out loss, ≥ 1 (an epoch if shorter)."""
    patience: int = 4
    """Evaluations without a lower held-out loss after which a fit has converged, ≥ 1."""
    most_steps: int = 2000
    """Maximum number of optimizer steps of a fit without `epochs`, ≥ 1; ``fit/converged`` is 0 if
    it was reached."""
    most_traces: int = 10_000
    """Maximum number of traces of a fit, ≥ 1; of more, a random subset is used, and
    ``fit/available`` is their number."""
    max_grad_norm: float = 1.0
    """The gradient is clipped to this norm, ≥ 0; 0 clips nothing."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        above_zero(self, "learning_rate")
        at_least(self, 1, "batch_size", "check_every", "patience", "most_steps", "most_traces")
        at_least(self, 1, "most_held_out")
        at_least(self, 0, "warmup", "epochs", "max_grad_norm")
        among(self, "optimizer", get_args(OptimizerName))
        among(self, "first_reply", ("never", "right", "always"))
        check(0 <= self.held_out < 1, "held_out", "in [0, 1)", self.held_out)

    @property
    def holds_out(self) -> bool:
        """Whether a fit holds out traces, and so keeps a copy of its best weights."""
        return self.held_out > 0 and not self.epochs


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """The parts of every method that imitates traces; subclasses add their own fields."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=1)
    """Preset -> fields by flat name; a subclass may have presets of its own fields, too."""
    sampling: Sampling = Sampling()
    fitting: Fitting = Fitting()
    execution: Execution = Execution()
    evaluation: Evaluation = Evaluation()
    iterations: int = 1
    """How often episodes are gathered and a policy is fitted to them, ≥ 1."""
    rollouts: int = 160
    """Gathering steps of one iteration, ≥ 1, of ``problems_per_step × samples`` episodes."""
    restart: bool = False
    """Whether each iteration fits the base model anew (as ReST^EM does) or the current policy."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, 1, "iterations", "rollouts")

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first step."""
        return self.fitting.learning_rate

    @property
    def optimizer(self) -> OptimizerName:
        """The optimizer."""
        return self.fitting.optimizer

    @property
    def max_grad_norm(self) -> float:
        """The gradient is clipped to this norm."""
        return self.fitting.max_grad_norm

    @property
    def optimizers(self) -> int:
        """Optimisers whose states are in memory at once: a fit's."""
        return 1

    @property
    def saved_optimizers(self) -> int:
        """Optimisers whose states a checkpoint holds: none, each fit starts with a new one."""
        return 0

    @property
    def weight_copies(self) -> int:
        """Copies of the trained weights that a fit keeps in memory."""
        return int(self.fitting.holds_out)

    @property
    def updates_groups(self) -> bool:
        """Whether every update is on groups of episodes of one problem: a fit's is on traces."""
        return False

    def turns(self, attempts: int) -> int:
        """Return the turns that are sampled in an episode of ``attempts`` attempts."""
        return attempts

    @property
    def extendable(self) -> tuple[str, ...]:
        """Fields that a resumed run may raise."""
        return ("iterations",)

    @property
    def total_steps(self) -> int:
        """Number of gathering steps of a whole run."""
        return self.iterations * self.rollouts

    @property
    def episodes_per_step(self) -> int:
        """Episodes that one step samples."""
        return self.sampling.problems_per_step * self.sampling.samples

    @property
    def episodes(self) -> int:
        """Training episodes that a whole run samples: its budget."""
        return self.total_steps * self.episodes_per_step

    def within(self, episodes: int) -> Self:
        """Return the same configuration with as many steps as ``episodes`` allow.

        Raises:
            ValueError: the budget is below one step of each iteration.
        """
        steps = steps_in(episodes, self.episodes_per_step)
        return dataclasses.replace(self, **self.steps_within(steps))

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run at most ``steps`` long, with all its iterations."""
        check(steps >= self.iterations, "iterations", f"at most {steps}", self.iterations)
        return {"rollouts": steps // self.iterations}
