"""What the seeds of a comparison say: pairs of arrivals, and which means have an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from selfcorrect_agents.comparison.results.arrivals import arrival_pair, two_groups
from selfcorrect_agents.comparison.results.comparison import (
    CHANGES,
    ArrivalPair,
    DecodingMetrics,
    MethodComparison,
    MethodPair,
    MetricValue,
    ScalingMetrics,
)

ANOTHER_LEVEL = "Set arrival to another accuracy, and say that it was chosen after the runs."
"""What a warning of the level advises."""


def with_arrival_pairs(comparison: MethodComparison) -> MethodComparison:
    """Return a comparison with its pairs of trained methods compared seed by seed."""
    if comparison.arrival is None:
        return comparison
    return compared_by_seed(comparison, comparison.pairs)


def compared_by_seed(
    comparison: MethodComparison, pairs: Iterable[MethodPair | ArrivalPair]
) -> MethodComparison:
    """Return a comparison with those of ``pairs`` that are of trained methods compared seed by
    seed."""
    methods = {method.name: method for method in comparison.methods if method.trained}
    found = [
        arrival_pair(
            pair.first,
            pair.second,
            pair.decoding,
            methods[pair.first].arrivals[pair.decoding],
            methods[pair.second].arrivals[pair.decoding],
        )
        for pair in pairs
        if pair.first in methods and pair.second in methods
    ]
    return replace(comparison, arrival_pairs=tuple(found))


def without_false_intervals(comparison: MethodComparison) -> MethodComparison:
    """Return a comparison that says which kind of outcome its seeds have, for each decoding.

    Where a seed of a trained method arrives, no mean over the seeds of a trained method keeps its
    interval or its t test, whatever depends on a later attempt: they would be false, also where all
    seeds that were run arrive (`selfcorrect_agents.comparison.results.arrivals`). A note names the
    methods whose seeds the level does not tell apart. Where none arrives, or without a level, means
    keep their intervals, and a note names the methods whose seeds fall into two groups.
    """
    if len(comparison.seeds) == 1:  # its interval is over problems, and speaks of this run alone
        return comparison
    for decoding in comparison.decodings:
        if comparison.arrives(decoding):
            comparison = _without_intervals(comparison, decoding)
            comparison = _with_notes(comparison, _around_the_level(comparison, decoding))
        else:
            comparison = _with_notes(comparison, _groups(comparison, decoding))
    return comparison


def _without_intervals(comparison: MethodComparison, decoding: str) -> MethodComparison:
    kept = int(comparison.attempts > 1)  # attempts before the one that arrives or not
    methods = [
        replace(
            m,
            metrics={**m.metrics, decoding: _bare(m.metrics[decoding], kept)},
            kl=(*m.kl[:kept], *(value and _mean_alone(value) for value in m.kl[kept:])),
            scaling=m.scaling and _corrected_alone(m.scaling, kept),
        )
        if m.trained
        else m
        for m in comparison.methods
    ]
    trained = {method.name for method in methods if method.trained}
    pairs = [
        replace(
            pair,
            difference=_mean_alone(pair.difference),
            unjudged_wrong=pair.unjudged_wrong and _mean_alone(pair.unjudged_wrong),
            p_value=None,
            p_holm=None,
            p_unjudged_wrong=None,
            p_holm_unjudged_wrong=None,
        )
        if pair.decoding == decoding and trained & {pair.first, pair.second}
        else pair
        for pair in comparison.pairs
    ]
    note = (
        f"{decoding}: a seed arrives at {100 * (comparison.arrival or 0):g}% or not, so means over "
        "the seeds of trained methods have no interval and no t test: read the arrivals, the level "
        "of the seeds that arrived, and the episodes until then."
    )
    changed = replace(comparison, methods=tuple(methods), pairs=tuple(pairs))
    return _with_notes(changed, [note])


def _bare(metrics: DecodingMetrics, kept: int) -> DecodingMetrics:
    """Return metrics of which only those of the first ``kept`` attempts have intervals."""

    def later(turns: tuple[MetricValue, ...]) -> tuple[MetricValue, ...]:
        return (*turns[:kept], *map(_mean_alone, turns[kept:]))

    return replace(
        metrics,
        accuracy=later(metrics.accuracy),
        unjudged_wrong=later(metrics.unjudged_wrong),
        unjudged_right=later(metrics.unjudged_right),
        mean_score=later(metrics.mean_score),
        delta=metrics.delta and _mean_alone(metrics.delta),
        successive=tuple(map(_mean_alone, metrics.successive)),
        **{
            name: value and _mean_alone(value)
            for name, value in ((name, getattr(metrics, name)) for name in CHANGES)
        },
    )


def _corrected_alone(scaling: ScalingMetrics, kept: int) -> ScalingMetrics:
    """Return the scaling of which only first attempts have intervals, if ``kept`` is above 0."""
    names = ["sequential", "pass_sequential"]
    names += [] if kept else ["parallel", "pass_parallel", "equal_tokens", "pass_equal_tokens"]
    return replace(
        scaling, **{name: tuple(map(_mean_alone, getattr(scaling, name) or ())) for name in names}
    )


def _mean_alone(metric: MetricValue) -> MetricValue:
    return replace(metric, low=None, high=None)


def _around_the_level(comparison: MethodComparison, decoding: str) -> list[str]:
    """Return a warning for each trained method whose seeds the level does not tell apart: in two
    groups with the level in one of them or beside both, or on both sides without two groups."""
    problems, level = comparison.measured.problems, comparison.arrival or 0.0
    notes = []
    for method in (each for each in comparison.methods if not each.trained and each.ranked):
        seeds = method.metrics[decoding].ranking[-1].seeds
        highest = max((value for value in seeds if value is not None), default=0.0)
        if highest >= level:
            notes.append(
                f"Warning: {method.name}, {decoding}: without training, {100 * highest:.1f} at the "
                "last attempt, which is at the level of arrival, so arriving says nothing. Set "
                "arrival to a higher accuracy."
            )
    for method in (method for method in comparison.methods if method.trained):
        groups = two_groups(method.metrics[decoding].ranking[-1].seeds, problems)
        if groups is not None and not groups[0][-1] < level <= groups[1][0]:
            notes.append(
                f"Warning: {method.name}, {decoding}: its seeds fall into two groups at the last "
                f"attempt ({_span(groups[0])} and {_span(groups[1])}), and the level of arrival is "
                f"not between them, so how many arrive says little. {ANOTHER_LEVEL}"
            )
        elif groups is None and method.arrivals[decoding].mixed:
            notes.append(
                f"Warning: {method.name}, {decoding}: its seeds lie around the level of arrival "
                f"and not in two groups apart, so whether one arrives says little. {ANOTHER_LEVEL}"
            )
    return notes


def _span(group: Sequence[float]) -> str:
    low, high = (f"{100 * end:.1f}" for end in (group[0], group[-1]))
    return low if low == high else f"{low} to {high}"


def _groups(comparison: MethodComparison, decoding: str) -> list[str]:
    """Return a warning for each trained method whose seeds fall into two groups."""
    notes = []
    for method in comparison.methods:
        last = method.metrics[decoding].ranking[-1].seeds
        found = two_groups(last, comparison.measured.problems)
        if method.trained and found is not None:
            low, high = (", ".join(f"{100 * value:.1f}" for value in group) for group in found)
            notes.append(
                f"Warning: {method.name}, {decoding}: its seeds fall into two groups at the last "
                f"attempt ({low} and {high}). Their mean describes neither, and its interval is "
                "false: set arrival to an accuracy between them."
            )
    return notes


def _with_notes(comparison: MethodComparison, notes: Sequence[str]) -> MethodComparison:
    return replace(comparison, notes=(*comparison.notes, *notes))
