"""Parallel samples against sequential correction at an equal number of replies (figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    Panel,
    Series,
    nice_axis,
    panel,
)
from selfcorrect_agents.comparison.report.sections.tables import (
    details,
    grid,
    method_name,
    missing,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.results.comparison import Comparison, Figure, Method, figure
from selfcorrect_agents.comparison.results.formats import interval, percent

VOTES = {"parallel": "parallel", "sequential": "sequential"}
PASSES = {"pass_parallel": "parallel", "pass_sequential": "sequential"}
STYLES = {"parallel": "first", "sequential": "second"}


def scaling_section(comparison: Comparison) -> Markup:
    """Return panels of majority votes and of pass@k, and their values as a table."""
    known = [(m, m.scaling) for m in comparison.methods if m.scaling and m.scaling.get("samples")]
    if not known:
        return missing("Scaling at inference was not measured.")
    parts: list[Child] = []
    for heading, keys in (
        ("Majority vote (maj@k)", VOTES),
        ("At least one right (pass@k)", PASSES),
    ):
        drawn = [(method, _series(scaling, keys)) for method, scaling in known]
        drawn = [(method, series) for method, series in drawn if any(s.points for s in series)]
        if drawn:
            parts += [tag("h3", heading), _panels(drawn)]
    return join([*parts, details("The values as a table", _table(known))])


def _figures(scaling: Mapping[str, Any], key: str) -> list[tuple[float, Figure]]:
    found = zip(scaling["samples"], scaling.get(key) or (), strict=False)
    return [(float(samples), f) for samples, each in found if (f := figure(each))]


def _series(scaling: Mapping[str, Any], keys: Mapping[str, str]) -> list[Series]:
    series = []
    for key, label in keys.items():
        known = [(math.log2(samples), f) for samples, f in _figures(scaling, key)]
        band = [(x, f.low, f.high) for x, f in known if f.low is not None and f.high is not None]
        points = [(x, f.value) for x, f in known]
        series.append(Series(label, STYLES[label], points, band=band, write=_written))
    return series


def _written(share: float) -> str:
    return f"{percent(share)}%"


def _replies(place: float) -> str:
    return f"{2**place:.0f} replies"


def _panels(drawn: Sequence[tuple[Method, Sequence[Series]]]) -> Markup:
    points = [point for _, series in drawn for s in series for point in s.points]
    values = [value for _, value in points]
    values += [v for _, series in drawn for s in series for _, *ends in s.band for v in ends]
    places = sorted({place for place, _ in points})
    margin = 0.03 * (places[-1] - places[0])
    x = Axis(places[0] - margin, places[-1] + margin, tuple(places), lambda v: f"{2**v:.0f}")
    y = nice_axis(min(values), max(values), lambda share: percent(share, digits=0), most=4)
    return grid(
        panel(Panel(method_name(method), method.name, series), x, y, _replies)
        for method, series in drawn
    )


def _table(known: Sequence[tuple[Method, Mapping[str, Any]]]) -> Markup:
    samples = sorted({float(n) for _, scaling in known for n in scaling["samples"]})
    groups: list[tuple[Child, list[Markup]]] = []
    names = {"parallel": "maj@k, parallel", "sequential": "maj@k, sequential"}
    names |= {"pass_parallel": "pass@k, parallel", "pass_sequential": "pass@k, sequential"}
    for method, scaling in known:
        rows = []
        for key, name in names.items():
            by_samples = dict(_figures(scaling, key))
            cells = [
                value_cell(percent(f.value if f else None), interval(f))
                for f in (by_samples.get(n) for n in samples)
            ]
            rows.append(row(name, cells))
        groups.append((method.name, rows))
    heads = ["Replies to a problem", *(f"{n:.0f}" for n in samples)]
    return table("Scaling at inference, in percent", heads, groups)
