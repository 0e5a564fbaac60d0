"""Single-turn RL: equation 2 on the first attempt alone ("w/o multi-turn training", table 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.config import OnPolicyConfig, at_least
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.running import Figures
from selfcorrect_agents.training import Stage, Trainer
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class SingleTurnRLConfig(OnPolicyConfig):
    """Single-turn RL's own coefficients."""

    steps: int = 240
    """Steps, ≥ 1."""
    beta_1: float = 0.02
    """β₁, the KL coefficient of the first turn, ≥ 0; the paper: 0.01 (table 5)."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "beta_1")

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.steps

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run ``steps`` long."""
        return {"steps": steps}


class SingleTurnRL(LanguageModelAgent):
    """A policy that is rewarded for its first attempt alone.

    Whole episodes are played all the same, so that its budget and its log compare with the
    other methods': later attempts are sampled, logged and not trained on.
    """

    Learning: ClassVar[type[SingleTurnRLConfig]] = SingleTurnRLConfig

    def learn(
        self,
        env: SelfCorrectEnv,
        config: SingleTurnRLConfig | None = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[Figures]:
        """Train the policy in place; returns one dict of figures for each step.

        Args:
            env: where episodes are played; problems come from its problem set.
            config: the configuration; the default one where None.
            run: a folder to log to, save to and resume from.
            progress: whether to show a progress bar.

        Raises:
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        config = config or SingleTurnRLConfig()
        stage = Stage(
            rewards=first_attempt_only,
            betas=[config.beta_1] + [0.0] * (env.attempts - 1),
            reach=[[0]] + [[]] * (env.attempts - 1),
            learning_rate=config.learning_rate,
        )
        trainer = Trainer(self.policy, env, config, run, progress)
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)
        return trainer.history


def first_attempt_only(scores: Tensor) -> Tensor:
    """r(y₁) for the first turn, nothing for later ones: (B, K) scores -> (B, K) rewards."""
    return torch.cat([scores[:, :1], torch.zeros_like(scores[:, 1:])], dim=1)
