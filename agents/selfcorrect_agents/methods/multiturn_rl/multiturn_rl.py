"""Plain multi-turn RL: the paper's equation 2 on both attempts, without stage I and shaping."""

from __future__ import annotations

from typing import ClassVar

import torch

from selfcorrect_agents.methods.multiturn_rl.config import MultiTurnRLConfig
from selfcorrect_agents.rl.credit import own_turn
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Stage, Trainer


class MultiTurnRL(TrainedAgent):
    """Plain multi-turn RL: every attempt is rewarded, without shaping (paper, equation 2).

    The paper finds that multi-turn RL collapses: it learns to answer better at once, and then
    to repeat its first answer (section 5, figure 6). There only the second attempt is rewarded
    (``first_scale=0``).
    """

    Learning: ClassVar[type[MultiTurnRLConfig]] = MultiTurnRLConfig

    attempts: ClassVar[int | None] = None

    def train(self, trainer: Trainer, config: MultiTurnRLConfig) -> None:
        """Equation 2 on every attempt."""
        scale = torch.tensor([config.first_scale] + [config.later_scale] * (trainer.attempts - 1))
        reach = [turns if scale[t] else [] for t, turns in enumerate(own_turn(trainer.attempts))]
        stage = Stage(
            rewards=lambda scores: scores * scale.to(scores.device),
            betas=[config.beta_1] * trainer.attempts,
            reach=reach,
            learning_rate=config.optimization.learning_rate,
        )
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)
