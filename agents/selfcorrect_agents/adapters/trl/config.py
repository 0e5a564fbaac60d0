"""`SCoReGRPOConfig`: TRL's ``GRPOConfig`` with SCoRe's coefficients and stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from trl.trainer.grpo_config import GRPOConfig

from selfcorrect_agents.checks import check
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.rl.config import AdvantageKind
from selfcorrect_agents.training.config import Optimization

_ADVANTAGES: dict[str, AdvantageKind] = {"none": "leave_one_out", "group": "group_normalised"}
_MEAN_OVER_EPISODES = ("dr_grpo", "grpo", "sapo", "luspo")


@dataclass
class SCoReGRPOConfig(GRPOConfig):
    """Arguments of `SCoReGRPOTrainer`; every switch that is not listed here is TRL's own.

    Other defaults than TRL's have ``loss_type``, ``scale_rewards``, ``lr_scheduler_type``,
    ``max_completion_length`` and ``max_steps``; ``beta`` is not to be set.

    Raises:
        ValueError: a value is invalid; the message names the field.
    """

    stage_one_steps: int = field(
        default=100, metadata={"help": "Optimizer steps of stage I in each round, >= 0."}
    )
    stage_two_steps: int = field(
        default=100, metadata={"help": "Optimizer steps of stage II in each round, >= 0."}
    )
    rounds: int = field(default=1, metadata={"help": "How often the two stages alternate, >= 1."})
    alpha: float = field(
        default=10.0, metadata={"help": "Factor of the bonus of stage II, >= 0 (equation 5)."}
    )
    beta_1: float = field(
        default=0.01, metadata={"help": "KL coefficient of every turn, >= 0 (equations 2 to 4)."}
    )
    beta_2: float = field(
        default=0.1,
        metadata={"help": "Stage I's further KL coefficient of the first turn, >= 0 (equation 3)."},
    )
    stage_two_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of stage II, > 0; None keeps stage I's."}
    )
    loss_type: str = field(
        default="dr_grpo",
        metadata={
            "help": "dr_grpo: the equations' sum over the tokens of a turn, as a mean over "
            "episodes. TRL's others (dapo, grpo, bnpo ...) divide as they do in TRL."
        },
    )
    scale_rewards: str = field(
        default="none",
        metadata={
            "help": "none: each turn's return less the mean of the problem's other samples. "
            "group: GRPO's mean and deviation, for each turn. 'batch' is refused."
        },
    )
    lr_scheduler_type: str = field(
        default="constant", metadata={"help": "TRL's; the paper gives one learning rate."}
    )
    max_completion_length: int | None = field(
        default=512, metadata={"help": "Token cap of one reply, the same in every turn, >= 1."}
    )
    max_steps: int = field(
        default=-1,
        metadata={"help": "By default all steps of both stages; fewer end a run early."},
    )
    beta: float = field(
        default=0.0,
        metadata={"help": "Set by beta_1 and beta_2: TRL's has one coefficient for all tokens."},
    )

    def __post_init__(self) -> None:
        total = self.score.total_steps
        check(self.max_steps <= total, "max_steps", f"at most {total}, all steps", self.max_steps)
        if self.max_steps <= 0:
            self.max_steps = total
        needed = self.beta_1 + self.beta_2
        expected = "left out: set beta_1, the KL of every turn, and beta_2, the first turn's"
        check(self.beta in (0.0, needed), "beta", expected, self.beta)
        self.beta = needed  # above 0 it makes TRL load a reference model
        super().__post_init__()
        check(
            self.scale_rewards in _ADVANTAGES, "scale_rewards", "none or group", self.scale_rewards
        )
        check(
            not self.mask_truncated_completions,
            "mask_truncated_completions",
            "False: a reply that was cut off is judged, and counts in the baseline of the others",
            self.mask_truncated_completions,
        )
        self._check_stages()
        cap = self.max_completion_length
        check(cap is not None and cap >= 1, "max_completion_length", "at least 1", cap)

    def _check_stages(self) -> None:
        """Refuse stages that end between the optimizer steps on the same sampled episodes."""
        generated = (self.steps_per_generation or 1) * self.num_iterations
        steps = max(1, generated // self.gradient_accumulation_steps)
        for name in ("stage_one_steps", "stage_two_steps"):
            check(
                getattr(self, name) % steps == 0,
                name,
                f"a multiple of the {steps} optimizer steps on the same episodes "
                "(steps_per_generation, num_iterations)",
                getattr(self, name),
            )

    @cached_property
    def score(self) -> SCoReConfig:
        """The same coefficients and stages as `selfcorrect_agents.SCoRe` takes them."""
        rate = self.stage_two_learning_rate
        return SCoReConfig(
            stage_one_steps=self.stage_one_steps,
            stage_two_steps=self.stage_two_steps,
            rounds=self.rounds,
            alpha=self.alpha,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            optimization=Optimization(learning_rate=self.learning_rate),
            stage_two_learning_rate=self.learning_rate if rate is None else rate,
        )

    @property
    def advantage(self) -> AdvantageKind:
        """The kind of advantage that ``scale_rewards`` names."""
        return _ADVANTAGES[str(self.scale_rewards)]

    @property
    def divides_by_episodes(self) -> bool:
        """Whether the loss is a mean over episodes, not over tokens."""
        return self.loss_type in _MEAN_OVER_EPISODES
