"""The method ``later_rl``."""

from __future__ import annotations

from typing import ClassVar

import torch

from own_method.later_rl_config import LaterRLConfig
from selfcorrect_agents import Stage, TrainedAgent, Trainer


class LaterRL(TrainedAgent):
    """RL on the second attempt alone; the first has a KL to the base and no reward."""

    Learning: ClassVar[type[LaterRLConfig]] = LaterRLConfig

    def train(self, trainer: Trainer, config: LaterRLConfig) -> None:
        """Reward r(y2) for the second turn, and nothing for the first."""
        stage = Stage(
            rewards=lambda scores: torch.stack([0 * scores[:, 0], scores[:, 1]], dim=1),
            betas=(config.beta, config.beta),
            reach=[[], [1]],  # r(y1) trains no turn, r(y2) the second: checked before step 1
            learning_rate=config.learning_rate,
        )
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)
