"""Multi-turn STaR (Zelikman et al. 2022; Singh et al. 2023; the paper's section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.running import Figures
from selfcorrect_agents.supervised import SupervisedConfig, imitate
from selfcorrect_agents.traces import d_star
from selfcorrect_agents.training import Trainer, require_attempts
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class STaRConfig(SupervisedConfig):
    """STaR's own choices: how many iterations, and which traces."""

    iterations: int = 3
    """How often episodes are gathered and the policy is fitted, ≥ 1; the paper: 3."""
    rollouts: int = 80
    """Steps of gathering in one iteration, ≥ 1."""
    plus: bool = False
    """D⁺_STaR instead of D_STaR: traces that go from right to right are added."""


class STaR(LanguageModelAgent):
    """A policy fitted to its own episodes that went from wrong to right (D_STaR, section 4)."""

    Learning: ClassVar[type[STaRConfig]] = STaRConfig

    def learn(
        self,
        env: SelfCorrectEnv,
        config: STaRConfig | None = None,
        *,
        run: RunFolder | None = None,
        progress: bool = False,
    ) -> list[Figures]:
        """Train the policy in place; returns one dict of figures for each gathering step.

        Args:
            env: where episodes are played; problems come from its problem set.
            config: the configuration; the default one where None.
            run: a folder to log to, save to and resume from.
            progress: whether to show a progress bar.

        Raises:
            LearningError: the environment has another number of attempts than two.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        require_attempts(env, "STaR")
        config = config or STaRConfig()
        trainer = Trainer(self.policy, env, config, run, progress)
        return imitate(trainer, config, lambda episodes, _: d_star(episodes, plus=config.plus))
