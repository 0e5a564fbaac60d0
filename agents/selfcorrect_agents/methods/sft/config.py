"""Pair-SFT's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.imitation.config import SupervisedConfig
from selfcorrect_agents.training.presets import imitation_presets


@dataclass(frozen=True, kw_only=True)
class PairSFTConfig(SupervisedConfig):
    """Pair-SFT's own choice: which pairs."""

    presets: ClassVar[dict[str, dict[str, Any]]] = imitation_presets(iterations=1)
    plus: bool = False
    """D⁺_SFT instead of D_SFT: pairs of two right replies are added."""
