"""A method of one's own: imitation of corrections that are made from a model's own workings.

    selfcorrect compare benchmarks/sums_own_workings.toml --model runs/sums-start --out runs/own

A reply to a sum in words (`SelfCorrect-Sums-v0`) is an answer and then a working. Where the answer
is wrong and the working comes to the right value, the reply itself holds its correction: the same
lines with that value as the answer. `OwnWorkings` plays training problems, makes such second
replies (and copies of first replies that are right), and fits the policy to them. Pair-SFT does the
same with other pairs.

It is no method of the paper, and it fits this task alone: it is told where the answer and the
working are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from selfcorrect_agents import (
    PairSFTConfig,
    SupervisedConfig,
    Trace,
    TrainedAgent,
    Trainer,
    consecutive,
    imitate,
)
from selfcorrect_env import Attempt, Episode, Reason, Verdict

TWO_LINES = re.compile(
    r"(\s*answer:[^\S\n]*)([^\n]*)(\n.*?)(-?\d+)(\D*)", re.IGNORECASE | re.DOTALL
)
"""The answer line, with the answer apart, and the rest, with its last number apart."""


@dataclass(frozen=True, kw_only=True)
class OwnWorkingsConfig(SupervisedConfig):
    """Its settings are those of every method that imitates, and its presets Pair-SFT's."""

    presets: ClassVar[dict[str, dict[str, Any]]] = PairSFTConfig.presets


class OwnWorkings(TrainedAgent):
    """Imitation of the value of one's own working, where it is right and the answer is not."""

    Learning: ClassVar[type[OwnWorkingsConfig]] = OwnWorkingsConfig

    def train(self, trainer: Trainer, config: OwnWorkingsConfig) -> None:
        """Play, make the traces, fit."""
        imitate(trainer, config, lambda episodes, _: own_workings(episodes))


def own_workings(episodes: Iterable[Episode]) -> list[Trace]:
    """Return each first reply with its correction, or with its copy if it is right.

    First replies without a right working are left out, and so are unjudged episodes.
    """
    traces: list[Trace] = []
    for episode in episodes:
        if episode.judged:
            trace = consecutive(episode)[0]
            second = corrected(trace.first, episode.problem.reference)
            if second is not None:
                traces.append(replace(trace, second=second))
    return traces


def corrected(first: Attempt, reference: str) -> Attempt | None:
    """Return a reply that is right with the first one's working; None if that is wrong."""
    found = TWO_LINES.fullmatch(str(first.reply))
    if found is None or first.truncated or found[4] != reference:
        return None
    text = f"{found[1]}{reference}{found[3]}{found[4]}{found[5]}"
    return Attempt(reply=text, verdict=Verdict(1.0, Reason.CORRECT), truncated=False)
