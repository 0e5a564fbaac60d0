"""Multi-turn STaR (Zelikman et al. 2022; Singh et al. 2023; the paper's section 4)."""

from __future__ import annotations

from typing import ClassVar

from selfcorrect_agents.imitation.fitting import imitate
from selfcorrect_agents.imitation.traces import d_star
from selfcorrect_agents.methods.star.config import STaRConfig
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Trainer


class STaR(TrainedAgent):
    """Multi-turn STaR: imitation of the policy's own successful corrections (paper, section 4)."""

    Learning: ClassVar[type[STaRConfig]] = STaRConfig

    def train(self, trainer: Trainer, config: STaRConfig) -> None:
        """Play and fit, three times."""
        imitate(trainer, config, lambda episodes, _: d_star(episodes, plus=config.plus))
