"""Means over seeds and problems with intervals and tests: pure numpy.

A metric is a mean over problems within each seed, and over seeds. ``values[s, i]`` is its value at
problem i of seed s (1 or 0 for a share), nan if the verifier could not judge; every seed is
measured on the same problems.

Two things make such a mean uncertain: other problems could have been drawn, and other seeds.

- Problems: resampled 10,000 times as in `selfcorrect_env.evaluation.intervals`, the same ones for
  every seed and method. With one seed that is all: the intervals of `evaluate` (Wilson's for
  a share), and for two methods McNemar's exact test. Both speak of these trained models, not of
  the methods.
- Seeds: with S ≥ 2 of them the variance of the seeds' means, s²/S, is added to that of the
  resampled problems, b². The interval is ``mean ± t √(s²/S + b²)``; t is Student's 97.5% quantile
  for Welch's and Satterthwaite's degrees of freedom, ``(s²/S + b²)² / ((s²/S)² / (S − 1))``: as
  few as S − 1 where the seeds differ most, many where they hardly do. The p-value of a pair is that
  of t = mean / √(s²/S + b²), and at least that of the exact test that swaps the two methods problem
  by problem, in all seeds at once (`swap_test`; with one seed, McNemar's): where few problems
  differ, and the same ones in every seed, further seeds are no further evidence.

Where every seed has the same value at every problem (greedy decoding of one base model, an agent
that draws nothing), the seeds are one measurement written down S times: interval and test are those
of one seed. 0 of 2,000 problems, also in three seeds, is compatible with a share of 0.2%.

Why seeds are not resampled as well: a few of them make percentiles too narrow, since no resample
leaves the range of what was seen. Where both methods are equally good and seeds vary a lot (a
standard deviation of 10 points between seeds, 400 problems), a percentile bootstrap over seeds and
problems calls 22%, 15% and 10% of differences significant at 2, 3 and 5 seeds instead of 5%; this
one 13%, 7% and 5% (`benchmarks/interval_coverage.py`). Pooling the seeds for one McNemar test
would be worse: it takes the same problem under five seeds for five problems.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from mpmath import betainc, findroot

from selfcorrect_env.evaluation import (
    LEVEL,
    RESAMPLES,
    Array,
    Estimate,
    constant_mean,
    difference,
    estimate,
    mcnemar,
    ratio,
    share,
)

Kind: TypeAlias = Literal["share", "difference", "mean"]
"""A share of problems, a difference of two shares (-1, 0 or 1 at each problem), another mean."""

CHUNK = 500
"""Resamples that are in memory at the same time."""

ROUNDING = 1e-12
"""A smaller difference or standard error is one of rounding."""

METHOD = (
    "one seed, or seeds that agree at every problem: Wilson score for shares, percentile bootstrap "
    "over problems for differences and means; more: mean ± Student's t × the root of "
    "(variance between seeds / seeds + bootstrap variance over problems)"
)
"""The intervals in a line, for files."""

OVER_SEEDS = "mean ± Student's t × the standard error over seeds"
"""The same where only the means of seeds are known."""

TEST = (
    "one seed, or seeds that agree at every problem: McNemar's exact test; more: a t test of the "
    "difference, with the interval's standard error and degrees of freedom, and no p below that of "
    "the exact test that swaps the methods problem by problem; not corrected for the number of "
    "pairs"
)
"""The tests of pairs in a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """How a second method does against a first at the last attempt, problem by problem."""

    difference: Estimate
    """Accuracy of the second minus that of the first, mean over seeds."""
    seeds: tuple[float, ...]
    """Each seed's difference."""
    only_first: int
    """(Seed, problem) pairs that only the first gets right, over all seeds."""
    only_second: int
    """(Seed, problem) pairs that only the second gets right."""
    p_value: float
    """Of no difference, two-sided: exact McNemar test with one seed, else the larger of the t test
    with the interval's standard error and degrees of freedom, and `swap_test`; 1 where nothing
    differs."""
    problems: int
    """Problems that both were judged on in every seed."""


def seed_means(values: Array) -> Array:
    """Return shape (S,): each seed's mean over the problems that were judged, else nan."""
    judged = ~np.isnan(values)
    return ratio(np.where(judged, values, 0.0).sum(axis=1), judged.sum(axis=1))


def estimates(
    metrics: Sequence[Array], kinds: Sequence[Kind] | None = None, *, seed: int = 0
) -> list[Estimate]:
    """Return the mean of every metric with its 95% interval, all from the same resamples.

    Args:
        metrics: arrays of shape (S, N), over the same N problems; S may differ.
        kinds: what each metric is, for its interval with one seed; by default all are means.
        seed: of the resampling.
    """
    if not metrics:
        return []
    means: list[Kind] = ["mean"]
    of_each = means * len(metrics) if kinds is None else kinds
    rows = np.concatenate(metrics)
    resampled = resample(rows, seed=seed)
    ends = np.cumsum([len(values) for values in metrics])
    return [
        interval(values, resampled[:, end - len(values) : end], kind)
        for values, end, kind in zip(metrics, ends, of_each, strict=True)
    ]


def resample(rows: Array, *, seed: int, resamples: int = RESAMPLES) -> Array:
    """Return shape (resamples, rows): every row's mean over problems drawn with replacement.

    Args:
        rows: shape (rows, N); nan entries are left out of a row's means.
        seed: of the drawing; within a resample all rows see the same problems.
        resamples: how often to draw.
    """
    rng, n = np.random.default_rng(seed), rows.shape[1]
    judged = ~np.isnan(rows)
    sums, all_judged = np.where(judged, rows, 0.0).T, bool(judged.all())
    parts = []
    for start in range(0, resamples, CHUNK):
        draws = rng.integers(0, n, size=(min(CHUNK, resamples - start), n))
        times = np.stack([np.bincount(draw, minlength=n) for draw in draws]).astype(float)
        parts.append(ratio(times @ sums, n if all_judged else times @ judged.T.astype(float)))
    return np.concatenate(parts)


def interval(values: Array, resampled: Array, kind: Kind) -> Estimate:
    """Return the mean of one metric with its interval (see the module's docstring).

    Args:
        values: shape (S, N).
        resampled: shape (resamples, S): each seed's mean in every resample of problems.
        kind: what the metric is: its range, and the interval where one seed is all there is.
    """
    if _one_measurement(values):
        return _of_one_seed(values[0], resampled[:, 0], kind)
    means = seed_means(values)
    mean, over_problems = float(np.mean(means)), resampled.mean(axis=1)
    if math.isnan(mean):
        return estimate(mean, over_problems)
    error, freedom = standard_error(means, float(np.nanvar(over_problems)))
    if error < ROUNDING:
        return _of_one_seed(values[0], resampled[:, 0], kind)
    reach = t_quantile(freedom) * error
    least = -1.0 if kind == "difference" else 0.0  # shares and means lie in [0, 1]
    return Estimate(mean, max(least, mean - reach), min(1.0, mean + reach))


def _one_measurement(values: Array) -> bool:
    """Return whether every seed has the same value at every problem, as one seed has."""
    same = (values == values[0]) | (np.isnan(values) & np.isnan(values[0]))
    return bool(same.all())


def _of_one_seed(row: Array, resampled: Array, kind: Kind) -> Estimate:
    known = row[~np.isnan(row)]
    if kind == "share":
        return share(known == 1)
    if kind == "difference":
        return difference(known, seed=0)
    if len(known) and np.ptp(known) < ROUNDING:
        return constant_mean(float(known[0]), len(known))
    return estimate(float(known.mean()) if len(known) else math.nan, resampled)


def between_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean of one number ≥ 0 for each seed; it has no interval (nan) where they are all
    equal, as that of one seed is, or one of them is not finite."""
    array = np.array(values, dtype=float)
    mean = float(array.mean())
    if not np.isfinite(array).all() or np.ptp(array) < ROUNDING:
        return Estimate(mean, math.nan, math.nan)
    error, freedom = standard_error(array, 0.0)
    reach = t_quantile(freedom) * error
    return Estimate(mean, max(0.0, mean - reach), mean + reach)


def paired_tests(compared: Sequence[tuple[Array, Array]], *, seed: int = 0) -> list[PairedTest]:
    """Compare the last attempts of two methods at a time, seed by seed on the same problems.

    Args:
        compared: (first, second), each of shape (S, N). Where base models differ from seed to
            seed, both come from the same one in each seed.
        seed: of the resampling.
    """
    gains = [second - first for first, second in compared]  # nan where either was not judged
    if not gains:
        return []
    resampled = resample(np.concatenate(gains), seed=seed)
    ends = np.cumsum([len(gain) for gain in gains])
    return [
        _pair(gain, resampled[:, end - len(gain) : end])
        for gain, end in zip(gains, ends, strict=True)
    ]


def _pair(gains: Array, resampled: Array) -> PairedTest:
    return PairedTest(
        difference=interval(gains, resampled, "difference"),
        seeds=tuple(seed_means(gains).tolist()),
        only_first=int((gains < 0).sum()),
        only_second=int((gains > 0).sum()),
        p_value=_p_value(gains, resampled.mean(axis=1)),
        problems=int((~np.isnan(gains)).all(axis=0).sum()),
    )


def _p_value(gains: Array, over_problems: Array) -> float:
    means = seed_means(gains)
    if np.isnan(means).any():
        return math.nan
    if _one_measurement(gains):
        return mcnemar(int((gains[0] < 0).sum()), int((gains[0] > 0).sum()))
    error, freedom = standard_error(means, float(np.nanvar(over_problems)))
    exact = swap_test(gains)
    return exact if error < ROUNDING else max(exact, t_test(float(means.mean()) / error, freedom))


def swap_test(gains: Array) -> float:
    """Return the exact two-sided p-value of two methods being exchangeable at each problem.

    At every problem the two methods may be swapped, in all seeds at once. Each of these ways is
    equally likely; the p-value is the share of those whose total gain is at least as far from 0 as
    the one that was seen (Fisher's randomisation test). With one seed it is McNemar's test.

    Args:
        gains: shape (S, N), each -1, 0 or 1, nan where either was not judged.

    >>> round(swap_test(np.array([[1.0] * 29 + [-1.0] * 7 + [0.0] * 64] * 3)), 4)
    0.0003
    """
    totals = np.nansum(gains, axis=0).round().astype(int)
    sizes, problems = np.unique(np.abs(totals[totals != 0]), return_counts=True)
    seen, most = abs(int(totals.sum())), int(sizes @ problems)
    # the law of a sum of ±size, one for each problem: the transform of the product of cosines
    angles = 2 * np.pi * np.arange(2 * most + 1) / (2 * most + 1)
    transform = np.prod(np.cos(np.outer(sizes, angles)) ** problems[:, None], axis=0)
    law = np.fft.fft(transform).real / len(angles)  # of 0, 1 … most, -most … -1
    return min(1.0, max(0.0, 1.0 - float(law[:seen].sum() + law[1:seen].sum())))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979); nan stays nan and does not count.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = list(p_values), 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[i] = largest
    return corrected


def standard_error(means: Array, variance_over_problems: float) -> tuple[float, float]:
    """Return the standard error of the mean over seeds, and its degrees of freedom.

    Args:
        means: shape (S,), S ≥ 2: each seed's mean.
        variance_over_problems: of the mean over seeds, when problems are resampled.
    """
    between = float(np.var(means, ddof=1)) / len(means)
    total = between + variance_over_problems
    freedom = math.inf if between == 0 else (len(means) - 1) * (total / between) ** 2
    return math.sqrt(total), freedom


def t_test(t: float, freedom: float) -> float:
    """Return the two-sided p-value of Student's t; ``freedom`` may be inf (the normal law).

    >>> round(t_test(2.776, 4), 3), round(t_test(1.96, float("inf")), 3)
    (0.05, 0.05)
    """
    if freedom > 1e6:
        return math.erfc(abs(t) / math.sqrt(2))
    return float(betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True))


def t_quantile(freedom: float) -> float:
    """Return the t that leaves out ``1 - LEVEL`` of both tails together; ``freedom`` ≥ 1.

    >>> round(t_quantile(2), 3), round(t_quantile(float("inf")), 3)
    (4.303, 1.96)
    """
    # between the normal law's 1.96 and 12.7 at one degree of freedom, the least there is
    return float(findroot(lambda t: t_test(float(t), freedom) - (1 - LEVEL), (1.9, 13), "anderson"))
