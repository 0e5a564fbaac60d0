"""Pair-SFT (Welleck et al. 2023, as the paper runs it in section 4): imitation of made-up pairs."""

from __future__ import annotations

from typing import ClassVar

from selfcorrect_agents.imitation.fitting import imitate
from selfcorrect_agents.imitation.traces import d_sft
from selfcorrect_agents.methods.sft.config import PairSFTConfig
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Trainer


class PairSFT(TrainedAgent):
    """Pair-SFT: imitation of pairs of a wrong and a right reply (paper, section 4).

    All episodes are the base model's, so at test time its own first attempts are ones that it
    was never fitted on: the distribution shift that the paper blames.
    """

    Learning: ClassVar[type[PairSFTConfig]] = PairSFTConfig

    def train(self, trainer: Trainer, config: PairSFTConfig) -> None:
        """One iteration: the base plays, then it is fitted to the pairs."""
        imitate(trainer, config, lambda episodes, rng: d_sft(episodes, rng, plus=config.plus))
