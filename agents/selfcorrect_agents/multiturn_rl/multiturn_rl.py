"""Plain multi-turn RL: the paper's equation 2 on both attempts, without stage I and shaping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.training import Figures, OnPolicyConfig, Trainer, check
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class MultiTurnRLConfig(OnPolicyConfig):
    """Plain multi-turn RL's own coefficients."""

    steps: int = 240
    """Steps, ≥ 1."""
    beta_1: float = 0.02
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        check(self.steps >= 1, "steps", "at least 1", self.steps)
        check(self.beta_1 >= 0, "beta_1", "at least 0", self.beta_1)


class MultiTurnRL(LanguageModelAgent):
    """A policy that is rewarded for both attempts alike (section 3, equation 2).

    The paper finds that it collapses: it learns to answer better at once, and then to
    repeat its first answer (section 5, figure 6).
    """

    Learning: ClassVar[type[MultiTurnRLConfig]] = MultiTurnRLConfig

    def learn(
        self,
        env: SelfCorrectEnv,
        config: MultiTurnRLConfig | None = None,
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
        config = config or MultiTurnRLConfig()
        trainer = Trainer(self.policy, env, config, run, progress)
        for step in trainer.steps(config.steps):
            rollout = trainer.collect(step)
            betas = [config.beta_1] * rollout.turns
            trainer.update(step, rollout, rewards=rollout.scores, betas=betas)
        return trainer.history
