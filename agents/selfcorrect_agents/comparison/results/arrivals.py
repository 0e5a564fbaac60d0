"""Which seeds of a method arrive at a level, when, and how two methods compare in that: numpy.

Where some seeds of a method solve the task and the others stay where they began, the mean over
seeds describes neither, and an interval of it by Student's t is false: with 5 seeds that arrive
with probability 0.95 it covers the true mean in 24% of the cases. What such runs show is

- the share of seeds that arrive, k of S, with the Clopper–Pearson interval (Clopper and Pearson
  1934), which covers at least 95% at any share and any number of seeds;
- the level of the seeds that arrived;
- the training episodes until then. Two methods are compared on the same seeds, so on the same base
  models, by the sign test: which of them arrives first? A seed that does not arrive comes last.

A seed arrives by what it is in the end, on held-out problems: a run that was at the level for a
while and left it does not count, and a run that is at it in the end has arrived after all of its
episodes at the latest. What was not judged counts as wrong, so that no seed arrives by it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from mpmath import betainc, findroot

from selfcorrect_agents.comparison.results.comparison import (
    ArrivalPair,
    Arrivals,
    MetricValue,
)
from selfcorrect_env.evaluation import LEVEL, Estimate, mcnemar

WINDOW = 0.04
"""Share of a training log that is averaged to tell whether a run has arrived."""

UNJUDGED = "train/unjudged_share"
"""Key of the training log: the share of a step's episodes that were not judged."""

SPLIT = 0.2
"""Distance between neighbouring seeds from which a method's seeds count as two groups."""


@lru_cache
def clopper_pearson(successes: int, total: int) -> Estimate:
    """Return a share with its exact interval; ``total`` ≥ 1.

    >>> share = clopper_pearson(5, 5)
    >>> share.value, round(share.low, 3), share.high
    (1.0, 0.478, 1.0)
    """
    tail = (1 - LEVEL) / 2
    low = 0.0 if successes == 0 else _beta_quantile(tail, successes, total - successes + 1)
    high = 1.0 if successes == total else _beta_quantile(1 - tail, successes + 1, total - successes)
    return Estimate(successes / total, low, high)


def _beta_quantile(share: float, a: int, b: int) -> float:
    """Return the x in (0, 1) below which a share of the beta distribution lies."""
    return float(
        findroot(lambda x: betainc(a, b, 0, x, regularized=True) - share, (0, 1), "bisect")
    )


def episodes_to_arrival(
    history: Sequence[Mapping[str, float]], metric: str, level: float
) -> float | None:
    """Return the training episodes after which a run has reached the level; None if it never does.

    It has reached it where the mean of the metric over the last `WINDOW` of the log's rows is first
    at the level, or where the policy is at it after a fit (``after_fit/…``, which the methods of
    imitation log), whichever is earlier. An episode that was not judged counts as wrong.

    Args:
        history: the training log; its accuracies are those of the judged episodes.
        metric: the accuracy of the last attempt, ``t2/accuracy`` for two.
        level: in (0, 1).
    """
    after_fits = (
        row["episodes"]
        for row in history
        if "episodes" in row and _of_all(row, metric, "after_fit/") >= level - 1e-12
    )
    found = [_mean_reaches(history, metric, level), next(after_fits, None)]
    return min((episodes for episodes in found if episodes is not None), default=None)


def _of_all(row: Mapping[str, float], metric: str, prefix: str = "") -> float:
    """Return a row's accuracy with unjudged episodes counted as wrong; 0 if none was judged."""
    unjudged = row.get(UNJUDGED, 0.0)  # of all episodes of the step, where a log has no other
    return row.get(prefix + metric, 0.0) * (1 - row.get(f"{prefix}unjudged_share", unjudged))


def _mean_reaches(
    history: Sequence[Mapping[str, float]], metric: str, level: float
) -> float | None:
    steps = [row for row in history if "episodes" in row]
    points = [row for row in steps if metric in row or row.get(UNJUDGED) == 1.0]
    values = np.array([_of_all(row, metric) for row in points])
    window = max(1, round(WINDOW * len(values)))
    if len(values) < window:
        return None
    means = np.convolve(values, np.full(window, 1 / window), mode="valid")
    reached = np.flatnonzero(means >= level - 1e-12)
    return float(points[int(reached[0]) + window - 1]["episodes"]) if len(reached) else None


def arrivals_of(
    last: Sequence[float | None],
    level: float,
    given: MetricValue | None,
    when: Sequence[float | None],
    played: Sequence[float | None],
) -> Arrivals:
    """Return which seeds arrived.

    Args:
        last: the accuracy of each seed at the last attempt, unjudged attempts counted as wrong.
        level: at least this is an arrival.
        given: the accuracy of the seeds that arrived; None if none did.
        when: of each seed, see `episodes_to_arrival`.
        played: the training episodes of each seed; None if its log does not count them.
    """
    arrived = tuple(value is not None and value >= level for value in last)
    until = [
        (total if reached is None else reached) if there else None
        for there, reached, total in zip(arrived, when, played, strict=True)
    ]
    share = clopper_pearson(sum(arrived), len(arrived))
    return Arrivals(
        seeds=arrived,
        share=MetricValue(
            value=share.value, low=share.low, high=share.high, seeds=tuple(map(float, arrived))
        ),
        level=given,
        episodes=tuple(until),
    )


def arrival_pair(
    first: str, second: str, decoding: str, of_first: Arrivals, of_second: Arrivals
) -> ArrivalPair:
    """Compare two methods seed by seed."""
    times = [
        (a, b)
        for a, b in zip(_times(of_first), _times(of_second), strict=True)
        if not (math.isnan(a) or math.isnan(b))
    ]
    earlier_first = sum(a < b for a, b in times)
    earlier_second = sum(b < a for a, b in times)
    both = [math.log(a / b) for a, b in times if math.isfinite(a) and math.isfinite(b) and a and b]
    pairs = list(zip(of_first.seeds, of_second.seeds, strict=True))
    only_first, only_second = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return ArrivalPair(
        first=first,
        second=second,
        decoding=decoding,
        earlier_first=earlier_first,
        earlier_second=earlier_second,
        p_earlier=mcnemar(earlier_first, earlier_second),  # the sign test is the same binomial test
        ratio=math.exp(np.median(both)) if both else None,
        only_first=only_first,
        only_second=only_second,
        p_arrived=mcnemar(only_first, only_second),
    )


def _times(arrivals: Arrivals) -> list[float]:
    """Return the episodes until each seed arrived: inf if it did not, nan if it is not known."""
    return [
        math.inf if not arrived else math.nan if episodes is None else episodes
        for arrived, episodes in zip(arrivals.seeds, arrivals.episodes, strict=True)
    ]


def two_groups(
    seeds: Sequence[float | None], problems: int
) -> tuple[list[float], list[float]] | None:
    """Return the seeds' accuracies as two groups, if they are clearly apart.

    Neighbours must be at least `SPLIT` apart, and further than the choice of problems explains:
    five standard errors of a share at 0.5.

    Args:
        seeds: the accuracy of each seed, in [0, 1].
        problems: how many each was measured on.

    >>> two_groups([0.97, 0.43, 0.96], 1000)
    ([0.43], [0.96, 0.97])
    >>> two_groups([0.41, 0.43, 0.45], 1000)
    >>> two_groups([0.2, 0.5], 10)
    """
    values = sorted(value for value in seeds if value is not None)
    gaps = [after - before for before, after in itertools.pairwise(values)]
    if not gaps or max(gaps) < max(SPLIT, 2.5 / math.sqrt(problems)):
        return None
    cut = gaps.index(max(gaps)) + 1
    return values[:cut], values[cut:]
