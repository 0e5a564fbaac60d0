"""Parallel samples against sequential correction at an equal number of replies (figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from selfcorrect_agents.comparison.report.sections.html_tables import (
    details,
    grid,
    method_name,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    Panel,
    Series,
    nice_axis,
    panel,
)
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.sections.turns import legend
from selfcorrect_agents.comparison.report.table_rows import SCALING_NAMES
from selfcorrect_agents.comparison.results.comparison import (
    ComparedMethod,
    MethodComparison,
    MetricValue,
    ScalingMetrics,
)
from selfcorrect_agents.comparison.results.formats import interval, percent
from selfcorrect_agents.pictures.markup import Child, Markup, tag

VOTES = {
    "parallel": "parallel",
    "sequential": "sequential",
    "equal_tokens": "parallel at equal tokens",
}
PASSES = {f"pass_{key}": label for key, label in VOTES.items()}
STYLES = {"parallel": "first", "sequential": "last", "parallel at equal tokens": "middle"}


def section(comparison: MethodComparison) -> Section | None:
    """Return panels of majority votes and of pass@k, and a table; None if nothing was sampled."""
    sampled = [(m, m.scaling) for m in comparison.methods if m.scaling and m.scaling.replies]
    if not sampled:
        return None
    parts: list[Child] = []
    for heading, keys in (
        ("Majority vote (maj@k)", VOTES),
        ("At least one right (pass@k)", PASSES),
    ):
        drawn = [(method, _series(scaling, keys)) for method, scaling in sampled]
        drawn = [(method, series) for method, series in drawn if series]
        if drawn:
            parts += [tag("h3", heading), _panels(drawn)]
    keys = (
        legend(*((f"line {style}", label) for label, style in STYLES.items()))
        if comparison.attempts > 1
        else None
    )
    values = details("The values as a table", _table(sampled))
    return Section(
        "scaling", "Scaling at inference", (tag("p", _about(comparison)), keys, *parts, values)
    )


def _about(comparison: MethodComparison) -> str:
    axes = "x axis: replies to a problem; y axis: percent of problems."
    attempts = comparison.attempts
    if attempts == 1:
        return f"k replies to each problem. {axes}"
    return (
        f"The same number of replies spent in two ways: {attempts}k first attempts in parallel, or "
        f"k sequences of {attempts} attempts, of which the last answers count. At equal tokens: as "
        f"many first attempts as these sequences have tokens for. {axes}"
    )


def _values(scaling: ScalingMetrics, key: str) -> list[tuple[int, MetricValue]]:
    """Return (number of replies, metric) of every defined metric."""
    values = getattr(scaling, key)
    found = zip(scaling.replies, values, strict=bool(values))
    return [(replies, metric) for replies, metric in found if metric.value is not None]


def _series(scaling: ScalingMetrics, keys: Mapping[str, str]) -> list[Series]:
    series = []
    for key, label in keys.items():
        known = [(math.log2(replies), metric) for replies, metric in _values(scaling, key)]
        band = [(x, m.low, m.high) for x, m in known if m.low is not None and m.high is not None]
        points = [(x, m.value) for x, m in known if m.value is not None]
        if points:
            series.append(Series(label, STYLES[label], points, band=band, write=_written))
    return series


def _written(share: float) -> str:
    return f"{percent(share)}%"


def _replies(log2: float) -> str:
    return f"{2**log2:.0f} replies"


def _panels(drawn: Sequence[tuple[ComparedMethod, Sequence[Series]]]) -> Markup:
    points = [point for _, series in drawn for s in series for point in s.points]
    values = [value for _, value in points]
    values += [v for _, series in drawn for s in series for _, *ends in s.band for v in ends]
    positions = sorted({position for position, _ in points})
    margin = 0.03 * (positions[-1] - positions[0])
    x = Axis(
        positions[0] - margin, positions[-1] + margin, tuple(positions), lambda v: f"{2**v:.0f}"
    )
    y = nice_axis(min(values), max(values), lambda share: percent(share, digits=0), most=4)
    return grid(
        panel(Panel(method_name(method), method.name, series), x, y, _replies)
        for method, series in drawn
    )


def _table(sampled: Sequence[tuple[ComparedMethod, ScalingMetrics]]) -> Markup:
    replies = sampled[0][1].replies
    groups: list[tuple[Child, list[Markup]]] = []
    for method, scaling in sampled:
        rows = []
        for key, name in SCALING_NAMES.items():
            values = getattr(scaling, key)
            cells = [value_cell(percent(value.value), interval(value)) for value in values]
            rows += [row(name, cells)] if cells else []
        groups.append((method_name(method), rows))
    heads = ["Replies to a problem", *map(str, replies)]
    return table("Scaling at inference, in percent", heads, groups)
