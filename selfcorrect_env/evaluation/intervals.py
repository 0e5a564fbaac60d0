"""Estimates with 95% intervals, and the exact paired test: pure numpy over arrays.

A share of problems has the Wilson score interval, which also holds for a share near 0 or 1: of 20
problems none right gives [0, 0.16]. A difference and a mean have the percentile interval of the
bootstrap over problems. Where all problems have the same value, each resample is the same and the
bootstrap would claim certainty: the interval is then the one that Wilson's bound of the share of
problems with another value allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 10_000
"""Bootstrap resamples behind an interval."""

LEVEL = 0.95
"""Coverage of every interval."""

METHOD = "Wilson score for shares, percentile bootstrap over problems for differences and means"
"""How the intervals of a report are computed."""

METHOD_CLUSTERED = "percentile bootstrap over problems, each with all its samples"
"""The same if problems were played several times."""

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_ALIKE = 1e-12  # values that differ by less are rounded differently
_CHUNK = 4_000_000  # counts that are drawn at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95% interval over problems; nan where it is undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def share(values: npt.ArrayLike) -> Estimate:
    """Return the share of True with its Wilson score interval (Wilson 1927).

    Args:
        values: shape (N,), bool, one for each problem; nan estimates if N is 0.

    >>> print(share([False] * 20))
    0 [0, 0.1611]
    """
    flags = np.asarray(values, dtype=bool)
    return wilson(int(flags.sum()), len(flags))


def wilson(successes: int, total: int) -> Estimate:
    """Return ``successes / total`` with its Wilson score interval; nan if ``total`` is 0."""
    if total == 0:
        return Estimate(math.nan, math.nan, math.nan)
    value, spread = successes / total, _Z**2 / total
    centre = (value + spread / 2) / (1 + spread)
    half = math.sqrt(value * (1 - value) * spread + spread**2 / 4) / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return Estimate(value, low, high)


def constant_mean(value: float, total: int, *, least: float = 0.0) -> Estimate:
    """Return the interval of a mean over ``total`` problems that all have the same value.

    Wilson's bound of a share of 0 problems is how many may have another value, from ``least`` to 1.

    >>> print(constant_mean(0.5, 20))
    0.5 [0.4194, 0.5806]
    """
    otherwise = wilson(0, total).high
    return Estimate(value, value - otherwise * (value - least), value + otherwise * (1 - value))


def difference(gains: npt.ArrayLike, *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of paired differences, with its bootstrap interval.

    Args:
        gains: shape (N,), each -1, 0 or 1; nan estimates if N is 0.
        seed: of the resampling.
        resamples: how many times to resample.
    """
    return mean(gains, least=-1.0, seed=seed, resamples=resamples)


def mean(
    values: npt.ArrayLike, *, least: float = 0.0, seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """Return the mean with its percentile bootstrap interval over problems.

    If all problems have the same value, the interval is that of `constant_mean`.

    Drawing N problems with replacement and counting each distinct value is one multinomial draw,
    so the cost does not grow with the number of problems that share a value.

    Args:
        values: shape (N,), one for each problem, each in [``least``, 1]; nan estimates if N is 0.
        least: 0 for shares and scores, -1 for differences.
        seed: of the resampling; the same seed gives the same interval.
        resamples: how many times to resample.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return Estimate(math.nan, math.nan, math.nan)
    if np.ptp(array) < _ALIKE:
        return constant_mean(float(array[0]), len(array), least=least)
    distinct, cells = np.unique(array, return_counts=True)
    generator, means = np.random.default_rng(seed), []
    rows = max(1, _CHUNK // len(distinct))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        means.append(generator.multinomial(len(array), cells / len(array), size=size) @ distinct)
    return estimate(float(array.mean()), np.concatenate(means) / len(array))


def clustered(
    values: npt.ArrayLike,
    problems: Sequence[object],
    *,
    least: float = 0.0,
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the mean of several values of each problem; the bootstrap draws whole problems.

    Samples of one problem are alike, so they are no independent evidence. If all problems have
    the same mean, the interval is that of `constant_mean`.

    Args:
        values: shape (N,), each in [``least``, 1].
        problems: the N problems that they are of; equal ones belong together.
        least: 0 for shares, -1 for differences.
        seed: of the resampling.
        resamples: how many times to resample.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return Estimate(math.nan, math.nan, math.nan)
    numbers = {problem: i for i, problem in enumerate(dict.fromkeys(problems))}
    of = np.array([numbers[problem] for problem in problems])
    sums, counts = np.bincount(of, weights=array), np.bincount(of).astype(float)
    if np.ptp(sums / counts) < _ALIKE:
        return constant_mean(float(array.mean()), len(numbers), least=least)
    generator, means = np.random.default_rng(seed), []
    rows, shares = max(1, _CHUNK // len(numbers)), np.full(len(numbers), 1 / len(numbers))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.multinomial(len(numbers), shares, size=size)
        means.append(ratio(drawn @ sums, drawn @ counts))
    return estimate(float(array.mean()), np.concatenate(means))


def estimate(value: float, resampled: Array) -> Estimate:
    """Return ``value`` with the percentile interval of ``resampled`` (nan entries left out).

    A resample in which the metric is undefined (no wrong first attempt in it, say) is nan.
    """
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not len(defined):
        return Estimate(float(value), math.nan, math.nan)
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
