"""The method ``later_rl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from selfcorrect_agents import OnPolicyConfig, Stage, TrainedAgent, Trainer


@dataclass(frozen=True, kw_only=True)
class LaterRLConfig(OnPolicyConfig):
    """The method's own fields; sampling, objective and optimizer are in `OnPolicyConfig`."""

    steps: int = 200
    """Steps, at least 1."""
    beta: float = 0.1
    """KL coefficient of both attempts, at least 0."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        super().__post_init__()
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}.")
        if self.beta < 0:
            raise ValueError(f"beta must be at least 0, got {self.beta}.")

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.steps

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run ``steps`` long."""
        return {"steps": steps}


class LaterRL(TrainedAgent):
    """RL on the second attempt alone; the first is only held to the base."""

    Learning: ClassVar[type[LaterRLConfig]] = LaterRLConfig

    def train(self, trainer: Trainer, config: LaterRLConfig) -> None:
        """Reward r(y2) for the second turn, and nothing for the first."""
        stage = Stage(
            rewards=lambda scores: torch.stack([0 * scores[:, 0], scores[:, 1]], dim=1),
            betas=(config.beta, config.beta),
            reach=[[], [1]],  # r(y1) teaches no turn, r(y2) the second: checked before step 1
            learning_rate=config.learning_rate,
        )
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)
