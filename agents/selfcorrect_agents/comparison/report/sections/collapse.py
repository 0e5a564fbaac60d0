"""Does the second attempt still change anything? The paper's diagnostics of collapse (figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.plots import Axis, Panel, Point, Series, panel
from selfcorrect_agents.comparison.report.sections.tables import (
    grid,
    method_name,
    missing,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.report.sections.training import value_axis
from selfcorrect_agents.comparison.results.comparison import (
    Comparison,
    Method,
    decoding_title,
    number,
)
from selfcorrect_agents.comparison.results.formats import decimal, interval, percent

COLUMNS = {
    "unchanged_answers": "Answers unchanged, %",
    "edit_distance_ratio": "Edit-distance ratio",
    "kl_t1": "KL, turn 1 (nats)",
    "kl_t2": "KL, turn 2 (nats)",
}


def collapse_table(comparison: Comparison) -> Markup:
    """Return the share unchanged, the edit-distance ratio and the KL of each turn."""
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        rows = []
        for method in comparison.methods:
            cells = []
            for name in COLUMNS:
                figure, share = method.figure(decoding, name), name == "unchanged_answers"
                value = figure.value if figure else None
                shown = percent(value) if share else decimal(value)
                cells.append(value_cell(shown, interval(figure, shares=share)))
            rows.append(row(method_name(method), cells))
        groups.append((decoding_title(decoding), rows))
    return table("Diagnostics of collapse", ["Method", *COLUMNS.values()], groups, class_="wide")


def histograms(comparison: Comparison) -> Markup:
    """Return the distribution of the edit-distance ratio, a panel for each method."""
    parts: list[Child] = []
    for decoding in comparison.decodings:
        known = [
            (method, _shares(method.histograms[decoding]))
            for method in comparison.methods
            if decoding in method.histograms
        ]
        known = [(method, points) for method, points in known if points]
        if not known:
            continue
        y = value_axis([share for _, points in known for _, share in points], shares=True)
        edges = [number(e) or 0.0 for m, _ in known for e in m.histograms[decoding]["edges"]]
        x = Axis(min(edges), max(edges), _ends(min(edges), max(edges)), lambda v: f"{v:.2g}")
        parts.append(tag("h4", decoding_title(decoding)))
        parts.append(
            grid((_panel(method, decoding, points, x, y) for method, points in known), "small")
        )
    return join(parts) if parts else missing("No edit distances were kept.")


def _panel(method: Method, decoding: str, points: Sequence[Point], x: Axis, y: Axis) -> Markup:
    mean = method.figure(decoding, "edit_distance_ratio")
    series = Series("share", "plain", points, bars=True, write=_written)
    said = f"mean {decimal(mean.value)}" if mean else ""
    drawn = Panel(method_name(method), method.name, [series], said)
    return panel(drawn, x, y, lambda at: f"ratio {at:.3g}", height=84)


def _written(share: float) -> str:
    return f"{percent(share)}%"


def _ends(low: float, high: float) -> tuple[float, ...]:
    return (low, (low + high) / 2, high)


def _shares(histogram: Mapping[str, Sequence[float]]) -> list[Point]:
    """Return (middle of the bin, share of the replies); nothing where nothing was counted."""
    counts = [number(c) or 0.0 for c in histogram.get("counts", ())]
    total = sum(counts)
    if not total:
        return []
    middles = [(low + high) / 2 for low, high in pairwise(histogram["edges"])]
    return [(middle, c / total) for middle, c in zip(middles, counts, strict=True)]
