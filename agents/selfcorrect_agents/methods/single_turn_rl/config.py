"""Single-turn RL's configuration: its coefficients, and the paper's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from selfcorrect_agents.training.config import Optimization, Sampling
from selfcorrect_agents.training.one_stage import PRESETS, OneStageConfig


@dataclass(frozen=True, kw_only=True)
class SingleTurnRLConfig(OneStageConfig):
    """Single-turn RL's own coefficients; the defaults are tuned on `SelfCorrect-Arithmetic-v0`."""

    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS
    sampling: Sampling = Sampling(problems_per_step=16)
    optimization: Optimization = Optimization(learning_rate=3e-4)
    steps: int = 320
    """Steps, ≥ 1."""
    beta_1: float = 0.1
    """β₁, the KL coefficient of the first turn, ≥ 0; the paper: 0.01 (table 5)."""
