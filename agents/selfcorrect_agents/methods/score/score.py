"""SCoRe: self-correction by two-stage on-policy reinforcement learning (arXiv 2409.12917)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from selfcorrect_agents.imitation.fitting import gather
from selfcorrect_agents.imitation.traces import d_star
from selfcorrect_agents.methods.score.config import SCoReConfig
from selfcorrect_agents.rl.objectives import progress_bonus
from selfcorrect_agents.training.trainer import Stage, TrainedAgent, Trainer


class SCoRe(TrainedAgent):
    """SCoRe: two stages of RL and a shaped second reward (paper, section 5)."""

    Learning: ClassVar[type[SCoReConfig]] = SCoReConfig

    def train(self, trainer: Trainer, config: SCoReConfig) -> None:
        """Take stage I's steps, then stage II's, as often as there are rounds."""
        one, two = stage_one(config), stage_two(config)
        for step in trainer.steps(config.total_steps):
            if config.in_stage_one(step):
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


def stage_one(config: SCoReConfig) -> Stage:
    """Equation 3: only r(y₂) is rewarded, and β₂ holds the first attempt to the base."""
    return Stage(
        rewards=second_attempt_only,
        betas=(config.beta_1 + config.beta_2, config.beta_1),
        reach=[[], [1]],
        learning_rate=config.optimization.learning_rate,
    )


def stage_two(config: SCoReConfig) -> Stage:
    """Equations 4 and 5: both attempts are rewarded, and progress between them once more."""
    alpha = config.alpha
    if config.shaping == "scale":
        return Stage(
            rewards=lambda scores: scale_second(scores, 1 + alpha),
            betas=(config.beta_1, config.beta_1),
            reach=[[0], [1]],
            learning_rate=config.stage_two_learning_rate,
        )
    return Stage(
        rewards=lambda scores: progress_bonus(scores, alpha),
        betas=(config.beta_1, config.beta_1),
        reach=[[0, 1] if alpha else [0], [1]],
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


def second_attempt_only(scores: Tensor) -> Tensor:
    """Stage I's rewards (equation 3): r(y₂) for the second turn, nothing for the first.

    (B, 2) scores -> (B, 2) rewards. The first turn's tokens then follow their KL alone.
    """
    return torch.cat([torch.zeros_like(scores[:, :-1]), scores[:, -1:]], dim=1)


def scale_second(scores: Tensor, factor: float) -> Tensor:
    """``(r(y₁), factor · r(y₂))``: (B, 2) scores -> (B, 2) rewards.

    With factor 1 + α this is what the bonus comes to in expectation, since −α r(y₁) is a
    constant given x₂: a control that tells its weight from its variance.
    """
    return torch.cat([scores[:, :1], factor * scores[:, 1:]], dim=1)
