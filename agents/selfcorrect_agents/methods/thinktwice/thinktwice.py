"""ThinkTwice: solving and refining in turn, with one binary reward (arXiv 2604.01591)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from selfcorrect_agents.methods.thinktwice.config import ThinkTwiceConfig
from selfcorrect_agents.rl.credit import Rewards
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Stage, Trainer
from selfcorrect_env import Episode


class ThinkTwice(TrainedAgent):
    """RL on first attempts, then on refinements of one of them, step by step (2604.01591).

    In each pair of steps the model is first trained on solving problems, then on refining its own
    solutions to the same problems; the reward is the correctness of the answer in both. As the
    released code does it, one solution of each problem is drawn, right or wrong, and the updated
    model samples all refinements of a problem after that one.
    """

    Learning: ClassVar[type[ThinkTwiceConfig]] = ThinkTwiceConfig

    def train(self, trainer: Trainer, config: ThinkTwiceConfig) -> None:
        """Solve, refine, solve, refine …: every other step."""
        rate, samples = config.optimization.learning_rate, config.sampling.samples
        solve = Stage(
            rewards=only(0), betas=[config.beta_1, 0.0], reach=[[0], []], learning_rate=rate
        )
        refine = Stage(
            rewards=only(1), betas=[0.0, config.beta_1], reach=[[], [1]], learning_rate=rate
        )
        for step in trainer.steps(config.steps):
            if step % 2 == 0:
                solved = trainer.learn_from(step, solve)
                rng = np.random.default_rng(step_seed(config.sampling.seed, step, "refined"))
                trainer.pool = one_of_each(solved.episodes, samples, rng)
            else:
                refined = trainer.collect(step, after=trainer.pool)
                trainer.update(step, refine, [refined])


def only(turn: int) -> Rewards:
    """Return rewards of one turn alone: (B, K) scores -> (B, K), 0 in the other columns."""

    def rewards(scores: Tensor) -> Tensor:
        kept = torch.zeros_like(scores)
        kept[:, turn] = scores[:, turn]
        return kept

    return rewards


def one_of_each(
    episodes: Sequence[Episode], samples: int, rng: np.random.Generator
) -> list[Episode]:
    """Draw one of each problem's ``samples`` episodes, which stand together."""
    starts = range(0, len(episodes), samples)
    return [episodes[start + int(rng.integers(samples))] for start in starts]
