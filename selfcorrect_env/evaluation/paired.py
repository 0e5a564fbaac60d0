"""Two agents on the same problems: the paired test of their last attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect_env.evaluation.intervals import RESAMPLES, Estimate, difference, mcnemar
from selfcorrect_env.types import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How a second agent does against a first, at the last attempt, on the same problems."""

    problems: int
    """Problems that both were judged on."""
    left_out: int
    """Problems where either could not be judged."""
    difference: Estimate
    """Last-turn accuracy of the second minus that of the first; bootstrap over problems."""
    unjudged_wrong: Estimate
    """The same over all problems, with every unjudged last attempt counted as wrong."""
    only_first: int
    """Problems that only the first gets right."""
    only_second: int
    """Problems that only the second gets right."""
    p_value: float
    """Exact two-sided McNemar test of the two counts above."""
    p_unjudged_wrong: float
    """The same of the difference ``unjudged_wrong``."""


def paired(
    first: Sequence[Episode],
    second: Sequence[Episode],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare two agents' episodes of the same problems, problem by problem.

    Raises:
        ValueError: the two do not hold the same problems, each once.
    """
    by_id = {episode.problem.id: episode for episode in first}
    others = {episode.problem.id: episode for episode in second}
    if not (len(by_id) == len(first) == len(second)) or by_id.keys() != others.keys():
        raise ValueError(
            "A paired comparison needs two sets of episodes of the same problems, each played "
            f"once: got {len(first)} and {len(second)} episodes that share "
            f"{len(by_id.keys() & others.keys())} problem ids."
        )
    both = [(by_id[id], others[id]) for id in by_id if by_id[id].judged and others[id].judged]
    gains = np.array([_right(b) - _right(a) for a, b in both], int)
    only_first, only_second = int((gains < 0).sum()), int((gains > 0).sum())
    all_gains = np.array(
        [_right(others[id]) - _right(e) for id, e in by_id.items()],
        int,
    )
    return Paired(
        problems=len(both),
        left_out=len(by_id) - len(both),
        difference=difference(gains, seed=seed, resamples=resamples),
        unjudged_wrong=difference(all_gains, seed=seed, resamples=resamples),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
        p_unjudged_wrong=mcnemar(int((all_gains < 0).sum()), int((all_gains > 0).sum())),
    )


def _right(episode: Episode) -> bool:
    """Return whether the last attempt is right; one that was not judged is not."""
    return episode.attempts[-1].verdict.correct
