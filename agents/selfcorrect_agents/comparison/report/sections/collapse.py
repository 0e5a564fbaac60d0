"""Whether later attempts still change anything: the paper's diagnostics of collapse (figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from selfcorrect_agents.comparison.report.sections.html_tables import (
    grid,
    method_name,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.report.sections.plots import Axis, Panel, Point, Series, panel
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.sections.training_curves import (
    kl_panels,
    unchanged_panels,
    value_axis,
)
from selfcorrect_agents.comparison.report.sections.turns import turn_legend
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import (
    ComparedMethod,
    DecodingMetrics,
    EditHistogram,
    MethodComparison,
)
from selfcorrect_agents.comparison.results.formats import decimal, interval, percent
from selfcorrect_agents.pictures.markup import Child, Markup, join, tag


def section(comparison: MethodComparison) -> Section | None:
    """Return the diagnostics; with one attempt only the KL is left of them, or nothing (None)."""
    several = comparison.attempts > 1
    parts: list[Child] = []
    if several:
        parts += [
            tag(
                "p",
                "A policy that has collapsed repeats its first answer: unchanged near 100%, edits "
                "near 0.",
            ),
            changes_table(comparison),
        ]
    parts.append(kl_table(comparison))
    if several:
        parts += _part("How much of a reply is edited", histograms(comparison), EDITS)
        parts += _part("Answers unchanged along training", unchanged_panels(comparison))
    keys = turn_legend(comparison.attempts, "t", ("faint", "each seed"))
    parts += _part("KL to the base along training", kl_panels(comparison), keys)
    if not any(parts):
        return None
    return Section("collapse", "Collapse" if several else "KL to the base", tuple(parts))


EDITS = tag(
    "p",
    "Edit distance of the first and the last reply, divided by their total length: 0 is the same "
    "text, 0.5 shares nothing (at equal lengths).",
)


def _part(heading: str, content: Markup | None, about: Markup | None = None) -> list[Child]:
    return [tag("h3", heading), about, content] if content else []


def changes_table(comparison: MethodComparison) -> Markup:
    """Return the share of unchanged answers and the edit-distance ratio."""
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        rows = [
            row(method_name(method), _change_cells(method.metrics[decoding]))
            for method in comparison.methods
        ]
        groups.append((decoding_title(decoding), rows))
    heads = ["Method", "Answers unchanged, %", "Edit-distance ratio"]
    caption = f"Diagnostics of collapse, from t1 to t{comparison.attempts}"
    return table(caption, heads, groups, class_="wide")


def _change_cells(metrics: DecodingMetrics) -> Iterator[Markup]:
    same, ratio = metrics.unchanged_answers, metrics.edit_distance_ratio
    yield value_cell(percent(same and same.value), interval(same))
    yield value_cell(decimal(ratio and ratio.value), interval(ratio, share=False))


def kl_table(comparison: MethodComparison) -> Markup | None:
    """Return the KL to the base of each turn at the end of training; None if none was logged."""
    rows = [
        row(
            method_name(method),
            [value_cell(decimal(kl and kl.value), interval(kl, share=False)) for kl in method.kl],
        )
        for method in comparison.methods
        if any(method.kl)
    ]
    if not rows:
        return None
    heads = ["Method", *(f"KL t{turn}" for turn in range(1, comparison.attempts + 1))]
    return table("KL to the base at the end of training, in nats", heads, [(None, rows)])


def histograms(comparison: MethodComparison) -> Markup | None:
    """Return the distribution of the edit-distance ratio, a panel for each method."""
    parts: list[Child] = []
    for decoding in comparison.decodings:
        known = [
            (method, points)
            for method in comparison.methods
            if (histogram := method.metrics[decoding].edit_histogram)
            and (points := _shares(histogram))
        ]
        if not known:
            continue
        y = value_axis([share for _, points in known for _, share in points], shares=True)
        x = Axis(0.0, 1.0, (0.0, 0.5, 1.0), lambda value: f"{value:.2g}")
        panels = (_panel(method, decoding, points, x, y) for method, points in known)
        parts += [tag("h4", decoding_title(decoding)), grid(panels, "small")]
    return join(parts) if parts else None


def _panel(
    method: ComparedMethod, decoding: str, points: Sequence[Point], x: Axis, y: Axis
) -> Markup:
    mean = method.metrics[decoding].edit_distance_ratio
    series = Series("share", "plain", points, bars=True, write=_written)
    said = f"mean {decimal(mean.value)}" if mean else ""
    drawn = Panel(method_name(method), method.name, [series], said)
    return panel(drawn, x, y, lambda at: f"ratio {at:.3g}", height=84)


def _written(share: float) -> str:
    return f"{percent(share)}%"


def _shares(histogram: EditHistogram) -> list[Point]:
    """Return (middle of the bin, share of the replies); nothing if nothing was counted."""
    total = sum(histogram.counts)
    if not total:
        return []
    middles = [(low + high) / 2 for low, high in pairwise(histogram.edges)]
    return [(middle, n / total) for middle, n in zip(middles, histogram.counts, strict=True)]
