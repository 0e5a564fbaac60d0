"""Intervals and tests over seeds and problems, against simulations and what is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from selfcorrect_agents.comparison.results import statistics
from selfcorrect_env.evaluation.intervals import (
    Estimate,
    constant_mean,
    difference,
    mcnemar,
    wilson,
)


def simulated(seeds: int, between: float, count: int, problems: int = 200) -> list[np.ndarray]:
    """Gains of one of two equally good methods: each seed's true gain has sd ``between``."""
    rng = np.random.default_rng(5)
    effects = np.clip(rng.normal(0, between, (count, seeds, 1)), -0.4, 0.4)
    drawn = rng.random((count, seeds, problems))
    return list((drawn < 0.25 + effects / 2) * 1.0 - (drawn > 0.75 + effects / 2))


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.1])
def test_equal_methods_are_rarely_called_different(between: float) -> None:
    """5% by design, under 7% in larger simulations; over 12% of 300 is one chance in 5,000."""
    gains = simulated(3, between, 300)
    found = statistics.paired_tests([(np.zeros_like(gain), gain) for gain in gains])
    assert np.mean([pair.p_value < 0.05 for pair in found]) <= 0.12
    covered = [pair.difference.low <= 0 <= pair.difference.high for pair in found]
    # many problems differ, so p is the t test's: it and the interval say the same of every pair
    assert covered == [pair.p_value >= 0.05 for pair in found]


def test_pooling_the_seeds_would_call_them_different() -> None:
    """What the test is for: McNemar over all (seed, problem) pairs takes seeds for problems."""
    gains = simulated(3, 0.1, 300)
    pooled = [mcnemar(int((gain < 0).sum()), int((gain > 0).sum())) < 0.05 for gain in gains]
    assert np.mean(pooled) > 0.3


def test_a_difference_that_every_seed_shows_is_found() -> None:
    rng = np.random.default_rng(0)
    first = (rng.random((3, 500)) < 0.4) * 1.0
    second = (rng.random((3, 500)) < 0.6) * 1.0
    (pair,) = statistics.paired_tests([(first, second)])
    assert pair.difference.value == pytest.approx(second.mean() - first.mean())
    assert 0.05 < pair.difference.low < 0.2 < pair.difference.high < 0.35
    assert pair.p_value < 0.01
    assert pair.only_second == int(((first == 0) & (second == 1)).sum())
    assert pair.only_first == int(((first == 1) & (second == 0)).sum())


def test_one_seed_is_the_exact_test_and_the_percentile_interval() -> None:
    first = np.array([[0.0] * 29 + [1.0] * 7 + [1.0] * 464])
    second = np.array([[1.0] * 29 + [0.0] * 7 + [1.0] * 464])
    (pair,) = statistics.paired_tests([(first, second)])
    assert pair.p_value == mcnemar(7, 29)
    assert (pair.only_first, pair.only_second) == (7, 29)
    # the law of 500 draws of -1, 0, 1: mean 0.044, sd 0.0118
    assert pair.difference.low == pytest.approx(0.044 - 1.96 * 0.0118, abs=0.003)
    assert pair.difference.high == pytest.approx(0.044 + 1.96 * 0.0118, abs=0.003)


def test_seeds_with_equal_means_leave_the_problems_alone_uncertain() -> None:
    """Without variance between seeds, t is the normal law's 1.96."""
    row = (np.arange(400) < 120) * 1.0
    other = np.roll(row, 1)
    (metric,) = statistics.estimates([np.stack([row, row, other])])
    assert metric.value == pytest.approx(0.3)
    reach = 1.96 * math.sqrt(0.3 * 0.7 / 400)
    assert metric.high - metric.value == pytest.approx(reach, rel=0.05)


def test_seeds_that_differ_widen_the_interval_by_students_t() -> None:
    """10,000 alike problems a seed: only seeds differ, so it is the textbook's t interval."""
    values = np.repeat([[0.0], [0.5], [1.0]], 10_000, axis=1)[:, :300]
    (metric,) = statistics.estimates([values * 0.2 + 0.4])
    assert metric.value == pytest.approx(0.5)
    assert metric.high - metric.value == pytest.approx(4.303 * 0.1 / math.sqrt(3), rel=1e-3)


def test_shares_stay_in_their_range() -> None:
    values = np.array([[0.0] * 100, [1.0] * 100])
    (share,) = statistics.estimates([values])
    assert (share.low, share.high) == (0.0, 1.0)
    (pair,) = statistics.paired_tests([(1 - values, values)])
    assert (pair.difference.low, pair.difference.high) == (-1.0, 1.0)


def test_what_was_not_judged_is_left_out_and_never_wrong() -> None:
    values = np.array([[1.0, np.nan, 1.0, 0.0], [1.0, 1.0, np.nan, 0.0]])
    assert statistics.seed_means(values) == pytest.approx([2 / 3, 2 / 3])
    (pair,) = statistics.paired_tests([(values, np.ones_like(values))])
    assert pair.problems == 2
    assert pair.only_second == 2
    (nothing,) = statistics.estimates([np.full((2, 3), np.nan)])
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)


def test_methods_that_are_the_same_are_not_different() -> None:
    values = (np.random.default_rng(1).random((3, 50)) < 0.5) * 1.0
    (pair,) = statistics.paired_tests([(values, values)])
    assert pair.p_value == 1.0
    # of 50 problems that never differ, as many as Wilson's bound of 0 of 50 may differ
    assert (pair.difference.low, pair.difference.high) == pytest.approx((-0.0713, 0.0713), abs=1e-4)
    (always,) = statistics.paired_tests([(np.zeros((3, 20)), np.ones((3, 20)))])
    assert always.p_value == mcnemar(0, 20)  # no variance at all: seeds are as one


def test_a_share_that_never_varies_has_a_width() -> None:
    (found,) = statistics.estimates([np.zeros((3, 2000))], ["share"])
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(wilson(0, 2000).high)


@pytest.mark.parametrize(("kind", "least"), [("difference", -1.0), ("share", 0.0), ("mean", 0.0)])
def test_the_range_of_a_metric_is_that_of_its_kind(kind: statistics.Kind, least: float) -> None:
    """No problem of these got worse, but the mean gain may still be below 0."""
    gains = np.zeros((3, 100))
    gains[2, :30] = 1.0
    (found,) = statistics.estimates([gains], [kind])
    assert found.value == pytest.approx(0.1)
    assert found.low == (0.0 if least == 0.0 else pytest.approx(-0.317, abs=0.001))


@pytest.mark.parametrize("unjudged", [False, True])
@pytest.mark.parametrize("seeds", [2, 3, 20])
def test_seeds_that_are_one_measurement_are_as_one_seed(seeds: int, unjudged: bool) -> None:
    """Greedy rows of one base model: written down S times, they say what one of them says."""
    right, gain = np.array([1.0] * 19 + [0.0]), np.array([1.0] * 3 + [0.0] * 7)
    if unjudged:
        right[3] = gain[4] = np.nan
    scores = np.where(right == 1, 0.7, right)
    for row, kind in ((right, "share"), (gain, "difference"), (scores, "mean")):
        one, many = statistics.estimates([row[None], np.stack([row] * seeds)], [kind, kind])  # type: ignore[list-item]
        assert (many.value, many.low, many.high) == pytest.approx((one.value, one.low, one.high))
    one, many = statistics.paired_tests(
        [(np.zeros((s, len(gain))), np.stack([gain] * s)) for s in (1, seeds)]
    )
    assert many.p_value == one.p_value == mcnemar(0, 3)
    assert many.difference == one.difference
    assert (many.only_second, one.only_second) == (3 * seeds, 3)


def test_seeds_that_agree_at_all_problems_but_one_are_hardly_more() -> None:
    """Three problems differ, the same ones in every seed: no test of them can give p < 0.05."""
    gain = np.array([1.0] * 3 + [0.0] * 7)
    almost = np.array([1.0] * 4 + [0.0] * 6)
    (pair,) = statistics.paired_tests([(np.zeros((3, 10)), np.stack([gain, gain, almost]))])
    assert pair.p_value == pytest.approx(2 / 2**4)
    (alike,) = statistics.paired_tests([(np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 1.0]]))])
    assert alike.p_value == pytest.approx(0.5)  # seeds agree in their means, not in their problems


def test_where_many_problems_differ_the_t_test_decides() -> None:
    gains = simulated(3, 0.1, 1, problems=400)[0]
    (pair,) = statistics.paired_tests([(np.zeros_like(gains), gains)])
    assert pair.p_value > statistics.swap_test(gains)


@given(hypothesis_numpy.arrays(float, (3, 6), elements=st.sampled_from([-1.0, 0.0, 1.0])))
def test_swapping_the_methods_is_the_enumeration_of_all_swaps(gains: np.ndarray) -> None:
    totals = gains.sum(axis=0)
    ways = [totals @ np.array(signs) for signs in itertools.product([1, -1], repeat=6)]
    share = np.mean([abs(way) >= abs(totals.sum()) for way in ways])
    assert statistics.swap_test(gains) == pytest.approx(share)
    row = gains[0]
    exact = mcnemar(int((row < 0).sum()), int((row > 0).sum()))
    assert statistics.swap_test(row[None]) == pytest.approx(exact)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_mean_that_never_varies_has_a_width(value: float, seeds: int) -> None:
    """pass@k of 1 at 200 problems: 2% of further problems may still have another value."""
    (found,) = statistics.estimates([np.full((seeds, 200), value)])
    bound = wilson(0, 200).high
    assert found == Estimate(value, value - bound * value, value + bound * (1 - value))


def test_one_number_for_each_seed() -> None:
    found = statistics.between_seeds([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.high == pytest.approx(2 + 4.303 / math.sqrt(3), rel=1e-3)
    assert found.low == 0.0  # a KL is not below 0
    for same in ([1.0], [0.0, 0.0, 0.0]):  # nothing says how far other seeds may be
        assert math.isnan(statistics.between_seeds(same).low)


def test_students_t_is_that_of_the_tables() -> None:
    table = {1: 12.706, 2: 4.303, 4: 2.776, 10: 2.228, 30: 2.042, math.inf: 1.960}
    for freedom, t in table.items():
        assert statistics.t_quantile(freedom) == pytest.approx(t, abs=6e-4)
        assert statistics.t_test(t, freedom) == pytest.approx(0.05, abs=1e-4)


def test_one_seed_has_the_intervals_of_a_report() -> None:
    none, gains = np.zeros((1, 20)), np.zeros((1, 20))
    share, delta, mean = statistics.estimates(
        [none, gains, np.full((1, 20), 0.5)], ["share", "difference", "mean"]
    )
    assert share == wilson(0, 20)
    assert share.high > 0.1
    assert delta == difference(gains[0], seed=0)
    assert delta.low == -delta.high < 0
    assert mean == constant_mean(0.5, 20)
    unjudged = np.array([[0.0, np.nan, 0.0]])
    assert statistics.estimates([unjudged], ["share"]) == [wilson(0, 2)]


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_mean_of_a_seed_without_a_number_has_no_interval(odd: float) -> None:
    found = statistics.between_seeds([0.1, odd, 0.3])
    assert not math.isfinite(found.value)
    assert math.isnan(found.low)
