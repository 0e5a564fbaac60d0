"""SCoRe: self-correction by two-stage on-policy reinforcement learning (arXiv 2409.12917)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Self

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.objectives import progress_bonus
from selfcorrect_agents.training import Figures, LearningError, OnPolicyConfig, Trainer, check
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class SCoReConfig(OnPolicyConfig):
    """SCoRe's own coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    stage_one_steps: int = 220
    """Steps of stage I, ≥ 0; 0 leaves the stage out (an ablation of table 4)."""
    stage_two_steps: int = 20
    """Steps of stage II, ≥ 0."""
    stage_two_learning_rate: float = 1e-4
    """Learning rate in stage II, > 0; the paper uses one for both stages."""
    alpha: float = 10.0
    """α of the progress bonus, ≥ 0; the paper: 10 (table 5). 0 turns shaping off."""
    beta_1: float = 0.15
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""
    beta_2: float = 0.05
    """β₂, stage I's further KL coefficient of the first turn, ≥ 0; the paper: 0.1 or 0.25."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        check(self.stage_one_steps >= 0, "stage_one_steps", "at least 0", self.stage_one_steps)
        check(self.stage_two_steps >= 0, "stage_two_steps", "at least 0", self.stage_two_steps)
        check(
            self.stage_two_learning_rate > 0,
            "stage_two_learning_rate",
            "above 0",
            self.stage_two_learning_rate,
        )
        for name in ("alpha", "beta_1", "beta_2"):
            check(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))

    @classmethod
    def paper_math(cls, **changes: Any) -> Self:
        """The paper's setting on MATH (table 5): 3,000 steps of 512 episodes.

        How the steps split between the stages and how many samples a problem gets is not
        in the paper; here half and half, and 8.
        """
        setting: dict[str, Any] = {
            "problems_per_step": 64,
            "samples": 8,
            "learning_rate": 5e-6,
            "stage_two_learning_rate": 5e-6,
            "stage_one_steps": 1500,
            "stage_two_steps": 1500,
            "alpha": 10.0,
            "beta_1": 0.01,
            "beta_2": 0.1,
            "max_new_tokens": 1024,
            "max_grad_norm": 1.0,
        }
        return cls(**(setting | changes))

    @classmethod
    def paper_mbpp(cls, **changes: Any) -> Self:
        """The paper's setting on MBPP (table 5): 1,500 steps of 128 episodes; see `paper_math`."""
        setting: dict[str, Any] = {
            "problems_per_step": 16,
            "samples": 8,
            "learning_rate": 1e-5,
            "stage_two_learning_rate": 1e-5,
            "stage_one_steps": 750,
            "stage_two_steps": 750,
            "alpha": 10.0,
            "beta_1": 0.01,
            "beta_2": 0.25,
            "max_new_tokens": 512,
            "max_grad_norm": 1.0,
        }
        return cls(**(setting | changes))


class SCoRe(LanguageModelAgent):
    """A policy that learns to correct itself in two stages (section 5)."""

    Learning: ClassVar[type[SCoReConfig]] = SCoReConfig

    def learn(
        self,
        env: SelfCorrectEnv,
        config: SCoReConfig | None = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[Figures]:
        """Train the policy in place; returns one dict of figures for each step.

        Args:
            env: where episodes are played; problems come from its problem set.
            config: SCoRe's configuration; the default one where None.
            run: a folder to log to, save to and resume from.
            progress: whether to show a progress bar.

        Raises:
            LearningError: the environment has another number of attempts than two.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        if env.attempts != 2:
            raise LearningError(
                f"SCoRe's stages are about two attempts, and the environment has {env.attempts}. "
                "Make it with attempts=2."
            )
        config = config or SCoReConfig()
        trainer = Trainer(self.policy, env, config, run, progress)
        for step in trainer.steps(config.stage_one_steps + config.stage_two_steps):
            rollout = trainer.collect(step)
            if step < config.stage_one_steps:  # equation 3
                trainer.update(
                    step,
                    rollout,
                    rewards=second_attempt_only(rollout.scores),
                    betas=(config.beta_1 + config.beta_2, config.beta_1),
                )
            else:  # equations 4 and 5
                trainer.update(
                    step,
                    rollout,
                    rewards=progress_bonus(rollout.scores, config.alpha),
                    betas=(config.beta_1, config.beta_1),
                    learning_rate=config.stage_two_learning_rate,
                )
        return trainer.history


def second_attempt_only(scores: Tensor) -> Tensor:
    """Stage I's rewards (equation 3): r(y₂) for the second turn, nothing for the first.

    (B, 2) scores -> (B, 2) rewards. The first turn's tokens then follow their KL alone.
    """
    return torch.cat([torch.zeros_like(scores[:, :-1]), scores[:, -1:]], dim=1)
