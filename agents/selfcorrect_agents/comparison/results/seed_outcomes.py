"""What the seeds of a comparison say: pairs of arrivals, and which means have an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selfcorrect_agents.comparison.results.arrivals import arrival_pair, two_groups
from selfcorrect_agents.comparison.results.comparison import (
    CHANGES,
    DecodingMetrics,
    MethodComparison,
    MetricValue,
)


def with_arrival_pairs(comparison: MethodComparison) -> MethodComparison:
    """Return a comparison with its pairs of trained methods compared seed by seed."""
    if comparison.arrival is None:
        return comparison
    methods = {method.name: method for method in comparison.methods if method.trained}
    found = [
        arrival_pair(
            pair.first,
            pair.second,
            pair.decoding,
            methods[pair.first].arrivals[pair.decoding],
            methods[pair.second].arrivals[pair.decoding],
        )
        for pair in comparison.pairs
        if pair.first in methods and pair.second in methods
    ]
    return replace(comparison, arrival_pairs=tuple(found))


def without_false_intervals(comparison: MethodComparison) -> MethodComparison:
    """Return a comparison that says which kind of outcome its seeds have, for each decoding.

    Where a trained method's seeds arrive or do not, no mean over seeds of a trained method keeps
    its interval, whatever depends on a later attempt: it would be false (see the module). Without
    a level of arrival, a note names the methods whose seeds fall into two groups.
    """
    for decoding in comparison.decodings:
        if comparison.split(decoding):
            comparison = _without_intervals(comparison, decoding)
        elif comparison.arrival is None:
            comparison = _with_notes(comparison, _groups(comparison, decoding))
    return comparison


def _without_intervals(comparison: MethodComparison, decoding: str) -> MethodComparison:
    methods = [
        replace(m, metrics={**m.metrics, decoding: _bare(m.metrics[decoding])}) if m.trained else m
        for m in comparison.methods
    ]
    trained = {method.name for method in methods if method.trained}
    pairs = [
        replace(
            pair,
            difference=_mean_alone(pair.difference),
            unjudged_wrong=pair.unjudged_wrong and _mean_alone(pair.unjudged_wrong),
        )
        if pair.decoding == decoding and trained & {pair.first, pair.second}
        else pair
        for pair in comparison.pairs
    ]
    note = (
        f"{decoding}: some seeds arrive at {100 * (comparison.arrival or 0):g}% and others of the "
        "same method do not. A mean over such seeds has no interval here: read the arrivals, the "
        "level of the seeds that arrived, and the episodes until then."
    )
    changed = replace(comparison, methods=tuple(methods), pairs=tuple(pairs))
    return _with_notes(changed, [note])


def _bare(metrics: DecodingMetrics) -> DecodingMetrics:
    """Return metrics of which only those of the first attempt have intervals."""

    def later(turns: tuple[MetricValue, ...]) -> tuple[MetricValue, ...]:
        return (*turns[:1], *map(_mean_alone, turns[1:]))

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


def _mean_alone(metric: MetricValue) -> MetricValue:
    return replace(metric, low=None, high=None)


def _groups(comparison: MethodComparison, decoding: str) -> list[str]:
    """Return a warning for each trained method whose seeds fall into two groups."""
    notes = []
    for method in comparison.methods:
        last = method.metrics[decoding].accuracy[-1].seeds
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
