"""Single-turn RL: equation 2 on the first attempt alone ("w/o multi-turn training", table 4)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from selfcorrect_agents.methods.single_turn_rl.config import SingleTurnRLConfig
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Stage, Trainer


class SingleTurnRL(TrainedAgent):
    """RL on the first attempt alone (paper, table 4).

    Whole episodes are played all the same, so that its budget and its log compare with the
    other methods': later attempts are sampled, logged and not trained on.
    """

    Learning: ClassVar[type[SingleTurnRLConfig]] = SingleTurnRLConfig

    attempts: ClassVar[int | None] = None

    def train(self, trainer: Trainer, config: SingleTurnRLConfig) -> None:
        """Equation 2 on the first attempt."""
        later = trainer.attempts - 1
        stage = Stage(
            rewards=first_attempt_only,
            betas=[config.beta_1] + [0.0] * later,
            reach=[[0], *[[]] * later],
            learning_rate=config.optimization.learning_rate,
        )
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)


def first_attempt_only(scores: Tensor) -> Tensor:
    """r(y₁) for the first turn, nothing for later ones: (B, K) scores -> (B, K) rewards."""
    return torch.cat([scores[:, :1], torch.zeros_like(scores[:, 1:])], dim=1)
