"""RISE-style self-distillation (Qu et al., "Recursive Introspection", arXiv 2407.18219)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from selfcorrect_agents.imitation.fitting import imitate
from selfcorrect_agents.imitation.traces import (
    Trace,
    by_problem,
    consecutive,
    is_right,
    paired_with,
)
from selfcorrect_agents.methods.rise.config import RISEConfig
from selfcorrect_agents.training.trained_agent import TrainedAgent
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import Episode

MOST = 50.0
"""Exponent of the largest weight: sums of larger ones are not finite in float32."""


class RISE(TrainedAgent):
    """RISE-style rounds of imitating the policy's own best second attempts (arXiv 2407.18219).

    Between Pair-SFT and SCoRe: imitation as in the former, in the situations of the current
    policy as in the latter; docs/methods/rise.md lists the further differences.
    """

    Learning: ClassVar[type[RISEConfig]] = RISEConfig

    def train(self, trainer: Trainer, config: RISEConfig) -> None:
        """Play and fit, round by round."""

        def traces_of(episodes: Sequence[Episode], rng: np.random.Generator) -> list[Trace]:
            return best_of_n(
                episodes, rng, config.weight_temperature, solved_only=config.solved_only
            )

        imitate(trainer, config, traces_of)


def best_of_n(
    episodes: Iterable[Episode],
    rng: np.random.Generator,
    temperature: float,
    *,
    solved_only: bool = False,
) -> list[Trace]:
    """Give every situation (x, y₁, p) of the episodes its best known reply, weighted.

    The reply is a random right one among all attempts at the problem, else the episode's own
    second; its weight is ``exp((r − r̄)/τ)``, at most e⁵⁰, with r its score and r̄ the mean score of
    the second attempts at the problem: reward-weighted regression, as RISE's. Where scores are 0
    or 1 that is at least 1 with a right reply, and exactly 1, exp((0 − 0)/τ), without any: there
    the policy imitates its own wrong second replies.

    Args:
        episodes: finished ones; those that could not be judged are passed over.
        rng: what the right replies are drawn by.
        temperature: τ > 0.
        solved_only: leave out situations of problems to which no attempt is right.
    """
    traces = []
    for group in by_problem(episodes).values():
        right = [a for episode in group for a in episode.attempts if is_right(a)]
        if solved_only and not right:
            continue
        mean = float(np.mean([episode.attempts[-1].verdict.score for episode in group]))
        for episode in group:
            (trace,) = consecutive(episode)
            best = right[rng.integers(len(right))] if right else trace.second
            power = min((best.verdict.score - mean) / temperature, MOST)
            traces.append(paired_with(trace, trace.first, best, math.exp(power)))
    return traces
