"""Pair-SFT (Welleck et al. 2023, as the paper runs it in section 4): imitation of made-up pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.imitation.fitting import imitate
from selfcorrect_agents.imitation.traces import d_sft
from selfcorrect_agents.training.presets import imitation_presets
from selfcorrect_agents.training.trainer import TrainedAgent, Trainer


@dataclass(frozen=True, kw_only=True)
class PairSFTConfig(SupervisedConfig):
    """Pair-SFT's own choice: which pairs."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=1)
    plus: bool = False
    """D⁺_SFT instead of D_SFT: pairs of two right replies are added."""


class PairSFT(TrainedAgent):
    """Pair-SFT: imitation of pairs of a wrong and a right reply (paper, section 4).

    All episodes are the base model's, so at test time its own first attempts are ones that it
    was never fitted on: the distribution shift that the paper blames.
    """

    Learning: ClassVar[type[PairSFTConfig]] = PairSFTConfig

    def train(self, trainer: Trainer, config: PairSFTConfig) -> None:
        """One iteration: the base plays, then it is fitted to the pairs."""
        imitate(trainer, config, lambda episodes, rng: d_sft(episodes, rng, plus=config.plus))
