"""SCoRe: self-correction by two-stage on-policy reinforcement learning (arXiv 2409.12917)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.imitation.fitting import gather
from selfcorrect_agents.imitation.traces import d_sft, d_star
from selfcorrect_agents.methods.score.config import SCoReConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.rl.objectives import progress_bonus
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Stage, Trainer


class SCoRe(TrainedAgent):
    """SCoRe: two stages of RL and a shaped second reward (paper, section 5).

    The paper has two attempts. With more, stage I rewards every attempt but the first, and the
    bonus of stage II is for progress between successive attempts.
    """

    Learning: ClassVar[type[SCoReConfig]] = SCoReConfig

    attempts: ClassVar[int | None] = None
    least_attempts: ClassVar[int] = 2

    def train(self, trainer: Trainer, config: SCoReConfig) -> None:
        """Take stage I's steps, then stage II's, as often as there are rounds."""
        if config.stage_two == "star" and trainer.attempts != 2:
            raise LearningError(
                "SCoRe with stage_two='star' is defined for 2 attempts, and the environment has "
                f"{trainer.attempts}. Make it with attempts=2, or take stage_two='rl'."
            )
        one, two = stage_one(config, trainer.attempts), stage_two(config, trainer.attempts)
        for step in trainer.steps(config.total_steps, patience_from=config.last_stage):
            if step < config.warm_start_steps:
                last = step + 1 == config.warm_start_steps
                gather(trainer, step, fit_with=config.warm_start if last else None, traces_of=d_sft)
            elif config.in_stage_one(step):
                reinforce(trainer, step, one, offline=0)
            elif config.stage_two == "star":
                gather(
                    trainer,
                    step,
                    fit_with=config.star_fitting if config.star_fits(step) else None,
                    traces_of=lambda episodes, _: d_star(episodes, plus=config.star_plus),
                )
            else:
                reinforce(trainer, step, two, offline=config.offline_problems)


def stage_one(config: SCoReConfig, attempts: int = 2) -> Stage:
    """Equation 3: ``R = (0, r(y₂))``, and β₂ holds the first attempt to the base."""
    return Stage(
        rewards=later_attempts_only,
        betas=[config.beta_1 + config.beta_2] + [config.beta_1] * (attempts - 1),
        reach=[[], *own_turn(attempts)[1:]],
        learning_rate=config.optimization.learning_rate,
    )


def stage_two(config: SCoReConfig, attempts: int = 2) -> Stage:
    """Equations 4 and 5: ``R = (r(y₁), r(y₂) + α (r(y₂) − r(y₁)))``.

    The score of an attempt also reaches the next attempt, whose bonus it lowers.
    """
    alpha, reach = config.alpha, list(own_turn(attempts))
    if config.shaping == "progress" and alpha:
        reach = [[turn, turn + 1] for turn in range(attempts - 1)] + [[attempts - 1]]

    def rewards(scores: Tensor) -> Tensor:
        if config.shaping == "scale":
            return scale_later(scores, 1 + alpha)
        return progress_bonus(scores, alpha)

    return Stage(
        rewards=rewards,
        betas=[config.beta_1] * attempts,
        reach=reach,
        learning_rate=config.stage_two_learning_rate,
    )


def reinforce(trainer: Trainer, step: int, stage: Stage, *, offline: int) -> None:
    """Take one on-policy step; ``offline`` of its problems get the base's first attempts."""
    if not offline:
        trainer.learn_from(step, stage)
        return
    own = trainer.config.sampling.problems_per_step - offline
    rollouts = [
        trainer.collect_informative(step, stage, own),
        trainer.collect(step, offline, first=trainer.reference, purpose="offline"),
    ]
    trainer.update(step, stage, rollouts)


def later_attempts_only(scores: Tensor) -> Tensor:
    """Stage I's rewards (equation 3): nothing for the first turn, r(y_t) for every later one.

    (B, K) scores -> (B, K) rewards. The first turn's tokens then follow their KL alone.
    """
    return torch.cat([torch.zeros_like(scores[:, :1]), scores[:, 1:]], dim=1)


def scale_later(scores: Tensor, factor: float) -> Tensor:
    """``(r(y₁), factor · r(y₂), …)``: (B, K) scores -> (B, K) rewards.

    With two attempts and factor 1 + α this equals the bonus in expectation, since −α r(y₁) is a
    constant given x₂: a control that separates the bonus's weight from its variance.
    """
    return torch.cat([scores[:, :1], factor * scores[:, 1:]], dim=1)
