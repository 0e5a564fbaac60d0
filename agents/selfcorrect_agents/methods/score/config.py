"""SCoRe's configuration: its coefficients, its published settings and its ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from typing_extensions import Self

from selfcorrect_agents.checks import above_zero, among, at_least, check
from selfcorrect_agents.imitation.config import Fitting
from selfcorrect_agents.training.config import OnPolicyConfig, Optimization, Sampling
from selfcorrect_agents.training.presets import rl_presets

STAR_ITERATIONS = 3
"""Iterations of STaR if it replaces stage II's reinforcement learning."""


def _stages(steps: int, learning_rate: float) -> dict[str, Any]:
    """Return two stages of as many steps each, at one learning rate."""
    return {
        "stage_one_steps": steps,
        "stage_two_steps": steps,
        "stage_two_learning_rate": learning_rate,
    }


@dataclass(frozen=True, kw_only=True)
class SCoReConfig(OnPolicyConfig):
    """SCoRe's own coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    presets: ClassVar[dict[str, dict[str, Any]]] = rl_presets(
        {
            "paper-math": {**_stages(1500, 5e-6), "alpha": 10.0, "beta_2": 0.1},
            "paper-mbpp": {**_stages(750, 1e-5), "alpha": 10.0, "beta_2": 0.25},
            "one-gpu": {**_stages(100, 4e-5), "alpha": 10.0, "beta_2": 0.1},
        }
    )
    """The paper gives α, β₁, β₂ and the number of steps; their split into stages is ours."""
    sampling: Sampling = Sampling(problems_per_step=8)
    optimization: Optimization = Optimization(learning_rate=5e-4)
    stage_one_steps: int = 587
    """Steps of stage I in each round, ≥ 0; 0 leaves the stage out (table 4: w/o stage I)."""
    stage_two_steps: int = 53
    """Steps of stage II in each round, ≥ 0."""
    rounds: int = 1
    """How often the two stages alternate, ≥ 1; version 1 of the paper interleaves twice."""
    stage_two_learning_rate: float = 1e-4
    """Learning rate in stage II, > 0; the paper uses one for both stages."""
    alpha: float = 10.0
    """α of the progress bonus, ≥ 0; the paper: 10 (table 5). 0 turns shaping off (table 4)."""
    shaping: Literal["progress", "scale"] = "progress"
    """``progress``: the bonus of equation 5. ``scale``: (1 + α) r(y₂) without −α r(y₁), a
    control: equal in expectation."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""
    beta_2: float = 0.05
    """β₂, stage I's further KL coefficient of the first turn, ≥ 0; the paper: 0.1 or 0.25."""
    offline_share: float = 0.0
    """Share of stage II's problems, in [0, 1), whose first attempts are the base model's (section
    5.3: offline prompts); there only the second attempt is trained. The paper gives no value."""
    stage_two: Literal["rl", "star"] = "rl"
    """``star``: three iterations of STaR instead of stage II's REINFORCE (table 4)."""
    star_plus: bool = False
    """If stage II is STaR: D⁺_STaR, with traces that are right twice, instead of D_STaR."""
    star_learning_rate: float = Fitting.learning_rate
    """If stage II is STaR: learning rate of its fits, > 0; the other settings are `Fitting`'s
    defaults."""
    warm_start_steps: int = 0
    """Steps before stage I that gather episodes of the base model, ≥ 0; a Pair-SFT of one epoch is
    fitted to them, with loss on first replies, too. The paper has no such start. The reference
    stays the base model."""
    warm_start_learning_rate: float = Fitting.learning_rate
    """Learning rate of that fit, > 0."""
    warm_start_batch_size: int = 8
    """Pairs in one optimiser step of that fit, ≥ 1."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        at_least(self, 0, "stage_one_steps", "stage_two_steps", "alpha", "beta_1", "beta_2")
        at_least(self, 0, "warm_start_steps")
        at_least(self, 1, "rounds", "warm_start_batch_size")
        above_zero(self, "stage_two_learning_rate", "star_learning_rate")
        above_zero(self, "warm_start_learning_rate")
        among(self, "shaping", ("progress", "scale"))
        among(self, "stage_two", ("rl", "star"))
        check(0 <= self.offline_share < 1, "offline_share", "in [0, 1)", self.offline_share)
        if self.offline_share:
            problems = self.sampling.problems_per_step
            some = 0 < self.offline_problems < problems
            expected = f"0, or leave each kind one of {problems} problems a step"
            check(some, "offline_share", expected, self.offline_share)
        steps = self.stage_one_steps + self.stage_two_steps
        check(steps >= 1, "stage_one_steps + stage_two_steps", "at least 1", steps)
        if self.stage_two == "star":
            check(self.rounds == 1, "rounds", "1 where stage_two is 'star'", self.rounds)
            none = self.offline_share == 0
            check(none, "offline_share", "0 where stage_two is 'star'", self.offline_share)
            at_least(self, STAR_ITERATIONS, "stage_two_steps", why="one for each iteration of STaR")
        else:
            for name in ("star_plus", "star_learning_rate"):
                value, default = getattr(self, name), getattr(SCoReConfig, name)
                expected = f"{default!r}, its default, unless stage_two is 'star'"
                check(value == default, name, expected, value)

    # -- which step is what -------------------------------------------------------------
    @property
    def growing(self) -> tuple[str, ...]:
        """Fields that make a run longer: only the last stage can grow."""
        return ("stage_two_steps",) if self.rounds == 1 and self.stage_two == "rl" else ()

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.warm_start_steps + self.rounds * (self.stage_one_steps + self.stage_two_steps)

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return stages that keep their proportion, and as many rounds, in at most ``steps``.

        A stage that has steps keeps at least one in each round (three if it is STaR), and a warm
        start all of its steps.

        Raises:
            ValueError: ``steps`` are too few for that.
        """
        least_one = min(1, self.stage_one_steps)
        least_two = min(STAR_ITERATIONS if self.stage_two == "star" else 1, self.stage_two_steps)
        of_round = (steps - self.warm_start_steps) // self.rounds
        if of_round < least_one + least_two:
            least = self.warm_start_steps + self.rounds * (least_one + least_two)
            warm = " with the warm start" if self.warm_start_steps else ""
            raise ValueError(
                f"A budget of {steps} steps is too small: rounds={self.rounds} with at least "
                f"{least_one} steps of stage I and {least_two} of stage II in each take "
                f"{least}{warm}. Raise the budget, lower rounds, or leave a stage out "
                "(stage_one_steps=0 or stage_two_steps=0)."
            )
        share = self.stage_one_steps / (self.stage_one_steps + self.stage_two_steps)
        first = min(max(round(share * of_round), least_one), of_round - least_two)
        return {"stage_one_steps": first, "stage_two_steps": of_round - first}

    @property
    def last_stage(self) -> int:
        """The step, from 0, that the run's last stage begins with."""
        return self.total_steps - (self.stage_two_steps or self.stage_one_steps)

    def in_stage_one(self, step: int) -> bool:
        """Whether ``step`` (from 0), which is after the warm start, belongs to stage I."""
        return self._of_round(step) < self.stage_one_steps

    def _of_round(self, step: int) -> int:
        return (step - self.warm_start_steps) % (self.stage_one_steps + self.stage_two_steps)

    def within_stage(self, step: int) -> tuple[int, int]:
        """Return a step's number within its stage, from 0, and the stage's number of steps."""
        if step < self.warm_start_steps:
            return step, self.warm_start_steps
        of_round = self._of_round(step)
        if of_round < self.stage_one_steps:
            return of_round, self.stage_one_steps
        return of_round - self.stage_one_steps, self.stage_two_steps

    def episodes_in(self, step: int) -> int:
        """Return the episodes that ``step`` (from 0) samples.

        Dynamic sampling is of steps of RL: neither of those that gather episodes for a fit, nor of
        problems whose first attempts are the base model's.
        """
        plain = self.episodes_per_step // self.oversample
        if step < self.warm_start_steps:
            return plain
        if self.in_stage_one(step):
            return self.episodes_per_step
        if self.stage_two == "star":
            return plain
        offline = self.offline_problems * self.sampling.samples
        return self.episodes_per_step - (self.oversample - 1) * offline

    def star_fits(self, step: int) -> bool:
        """Whether an iteration of STaR in stage II ends with ``step`` (from 0)."""
        done = step + 1 - self.warm_start_steps - self.stage_one_steps
        ends = {
            round(self.stage_two_steps * (i + 1) / STAR_ITERATIONS) for i in range(STAR_ITERATIONS)
        }
        return done in ends

    @property
    def star_fitting(self) -> Fitting:
        """How an iteration of STaR in stage II is fitted."""
        return Fitting(learning_rate=self.star_learning_rate, optimizer=self.optimization.optimizer)

    @property
    def optimizers(self) -> int:
        """Optimisers whose states are in memory at once: in fits of STaR, stage I's as well."""
        return 1 + (self.stage_two == "star" and self.stage_one_steps > 0)

    @property
    def weight_copies(self) -> int:
        """Copies of the trained weights that a fit of STaR keeps in memory."""
        return int(self.stage_two == "star" and self.star_fitting.holds_out)

    @property
    def updates_groups(self) -> bool:
        """Whether every update is on groups of episodes of one problem; a fit's is on traces."""
        return self.stage_two != "star" and not self.warm_start_steps

    @property
    def warm_start(self) -> Fitting:
        """How the warm start is fitted."""
        return Fitting(
            learning_rate=self.warm_start_learning_rate,
            batch_size=self.warm_start_batch_size,
            first_reply="always",
            epochs=1,
            optimizer=self.optimization.optimizer,
        )

    @property
    def offline_problems(self) -> int:
        """Problems of a step in stage II whose first attempts are the base model's."""
        return round(self.offline_share * self.sampling.problems_per_step)

    # -- ablations of table 4, at the same number of steps ---------------------------------
    def without_stage_one(self) -> Self:
        """Return the ablation without stage I: all steps are stage II's, at its own settings.

        Stage II's learning rate is part of what was tuned with stage I before it: a comparison
        should have a row at each stage's rate.
        """
        steps = self.stage_one_steps + self.stage_two_steps
        return replace(self, stage_one_steps=0, stage_two_steps=steps)

    def without_shaping(self) -> Self:
        """Return the ablation without shaping: equation 4 without the bonus of equation 5."""
        return replace(self, alpha=0.0)

    def with_star(self) -> Self:
        """Return the ablation with STaR instead of REINFORCE in stage II, a third of all steps.

        This also changes the split of the stages: with the default split, an iteration of STaR
        would have too few steps to gather its episodes.
        """
        steps = self.stage_one_steps + self.stage_two_steps
        return replace(
            self, stage_two="star", stage_one_steps=steps - steps // 3, stage_two_steps=steps // 3
        )
