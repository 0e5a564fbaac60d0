"""Plain multi-turn RL: the paper's equation 2 on both attempts, without stage I and shaping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.config import OnPolicyConfig, above_zero, at_least
from selfcorrect_agents.credit import own_turn
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.training import Figures, Stage, Trainer
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class MultiTurnRLConfig(OnPolicyConfig):
    """Plain multi-turn RL's own coefficients."""

    steps: int = 240
    """Steps, ≥ 1."""
    beta_1: float = 0.02
    """β₁, the KL coefficient of every turn, ≥ 0; the paper: 0.01 (table 5)."""
    later_scale: float = 1.0
    """Factor on the reward of every attempt but the first, > 0. 1 is plain RL; 1 + α weighs
    later attempts as SCoRe's bonus does in expectation: a control, not a method of the paper."""

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        super().__post_init__()
        at_least(self, 1, "steps")
        at_least(self, 0, "beta_1")
        above_zero(self, "later_scale")

    @property
    def total_steps(self) -> int:
        """Number of steps of a whole run."""
        return self.steps

    def steps_within(self, steps: int) -> dict[str, Any]:
        """Return the field that makes a run ``steps`` long."""
        return {"steps": steps}


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
        scale = torch.tensor([1.0] + [config.later_scale] * (env.attempts - 1))
        stage = Stage(  # equation 2
            rewards=lambda scores: scores * scale.to(scores.device),
            betas=[config.beta_1] * env.attempts,
            reach=own_turn(env.attempts),
            learning_rate=config.learning_rate,
        )
        trainer = Trainer(self.policy, env, config, run, progress)
        for step in trainer.steps(config.steps):
            trainer.learn_from(step, stage)
        return trainer.history
