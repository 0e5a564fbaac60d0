"""Pair-SFT (Welleck et al. 2023, as the paper runs it in section 4): imitation of made-up pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from selfcorrect_agents.agent import LanguageModelAgent
from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.running import Figures
from selfcorrect_agents.supervised import SupervisedConfig, imitate
from selfcorrect_agents.traces import d_sft
from selfcorrect_agents.training import Trainer, require_attempts
from selfcorrect_env import SelfCorrectEnv


@dataclass(frozen=True, kw_only=True)
class PairSFTConfig(SupervisedConfig):
    """Pair-SFT's own choice: which pairs."""

    plus: bool = False
    """D⁺_SFT instead of D_SFT: pairs of two right replies are added."""


class PairSFT(LanguageModelAgent):
    """A policy fitted to pairs of a wrong reply and a random right one (D_SFT, section 4).

    All episodes are the base model's, so at test time its own first attempts are ones that it
    was never fitted on: the distribution shift that the paper blames.
    """

    Learning: ClassVar[type[PairSFTConfig]] = PairSFTConfig

    def learn(
        self,
        env: SelfCorrectEnv,
        config: PairSFTConfig | None = None,
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
        require_attempts(env, "Pair-SFT")
        config = config or PairSFTConfig()
        trainer = Trainer(self.policy, env, config, run, progress)
        return imitate(
            trainer, config, lambda episodes, rng: d_sft(episodes, rng, plus=config.plus)
        )
