"""Estimates with bootstrap intervals, and the exact paired test: pure numpy over arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 10_000
"""Bootstrap resamples behind every interval."""

LEVEL = 0.95
"""Coverage of every interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% percentile bootstrap interval over problems; nan where undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def bootstrap_counts(
    cells: npt.NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES
) -> npt.NDArray[np.int64]:
    """Resample problems, where all that matters of a problem is the kind it belongs to.

    Drawing n problems with replacement and counting kinds is one multinomial draw over the
    kinds, so the cost does not grow with the number of problems.

    Args:
        cells: shape (kinds,): how many problems are of each kind.
        seed: of the resampling; the same seed gives the same counts.
        resamples: how many times to resample.

    Returns:
        Shape (resamples, kinds): the counts of each resample; every row sums to ``cells.sum()``.
    """
    total = int(cells.sum())
    if total == 0:
        return np.zeros((resamples, len(cells)), dtype=np.int64)
    return np.random.default_rng(seed).multinomial(total, cells / total, size=resamples)


def estimate(value: float, resampled: Array) -> Estimate:
    """Return ``value`` with the percentile interval of ``resampled`` (nan entries left out).

    A resample where the figure is undefined (no wrong first attempt in it, say) is nan.
    """
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not len(defined):
        return Estimate(float(value), float("nan"), float("nan"))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Array:
    """Divide elementwise; nan where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test.

    Args:
        only_first: pairs where only the first is right.
        only_second: pairs where only the second is right.

    Under the null hypothesis each such pair falls either way with probability 1/2; pairs that
    agree say nothing. Without any such pair the p-value is 1.

    >>> round(mcnemar(29, 7), 4)
    0.0003
    """
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    term = total = 1  # C(discordant, 0)
    for k in range(fewer):
        term = term * (discordant - k) // (k + 1)
        total += term
    return min(1.0, 2 * total / 2**discordant)
