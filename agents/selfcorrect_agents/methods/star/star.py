"""Multi-turn STaR (Zelikman et al. 2022; Singh et al. 2023; the paper's section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.imitation.fitting import imitate
from selfcorrect_agents.imitation.traces import d_star
from selfcorrect_agents.training.presets import imitation_presets
from selfcorrect_agents.training.trainer import TrainedAgent, Trainer


@dataclass(frozen=True, kw_only=True)
class STaRConfig(SupervisedConfig):
    """STaR's own choices: how many iterations, and which traces."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=3)
    iterations: int = 3
    """How often episodes are gathered and the policy is fitted, ≥ 1; the paper: 3."""
    rollouts: int = 53
    """Steps of gathering in one iteration, ≥ 1."""
    plus: bool = False
    """D⁺_STaR instead of D_STaR: traces that go from right to right are added."""


class STaR(TrainedAgent):
    """Multi-turn STaR: imitation of the policy's own successful corrections (paper, section 4)."""

    Learning: ClassVar[type[STaRConfig]] = STaRConfig

    def train(self, trainer: Trainer, config: STaRConfig) -> None:
        """Play and fit, three times."""
        imitate(trainer, config, lambda episodes, _: d_star(episodes, plus=config.plus))
