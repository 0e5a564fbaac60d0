"""Metrics along training: a panel for each trained method, mean over seeds and each seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from selfcorrect_agents.comparison.report.sections.html_tables import grid, method_name, note
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    Panel,
    Point,
    Series,
    nice_axis,
    panel,
)
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.sections.turns import turn_legend, turn_style
from selfcorrect_agents.comparison.results.comparison import ComparedMethod, MethodComparison
from selfcorrect_agents.comparison.results.formats import decimal, percent, short
from selfcorrect_agents.pictures.markup import Markup, join, tag

MOST_POINTS = 100
"""Points of a line; a longer log is averaged over spans of steps."""

Lines = tuple[list[Point], list[list[Point]]]
"""The mean over seeds, and each seed's line; (episodes, value)."""


def section(comparison: MethodComparison) -> Section | None:
    """Return Acc@t1 … Acc@tK against training episodes; None if no accuracy was logged."""
    styles = _turn_styles(comparison, "accuracy")
    panels = _panels(comparison, styles, _percent, shares=True, what="accuracy")
    if panels is None:
        return None
    about = (
        "Accuracy of the training batches against training episodes, in percent; mean over seeds. "
        "To read values, point at a panel, or focus it and press the arrow keys."
    )
    keys = turn_legend(comparison.attempts, "Acc@t", ("faint", "each seed"))
    return Section("curves", "Learning curves", (tag("p", about), keys, panels))


def unchanged_panels(comparison: MethodComparison) -> Markup | None:
    """Return the share of answers left unchanged against training episodes (paper, figure 6)."""
    styles = {"unchanged": ("unchanged", "plain")}
    return _panels(comparison, styles, _percent, shares=True, what="share unchanged", small=True)


def kl_panels(comparison: MethodComparison) -> Markup | None:
    """Return the KL to the reference policy of each turn against training episodes."""
    styles = _turn_styles(comparison, "kl")
    return _panels(comparison, styles, decimal, shares=False, what="KL", small=True)


def _turn_styles(comparison: MethodComparison, name: str) -> dict[str, tuple[str, str]]:
    """Return key of the log -> (label, style) for every turn."""
    attempts = comparison.attempts
    return {
        f"t{turn}/{name}": (f"t{turn}", turn_style(turn, attempts))
        for turn in range(1, attempts + 1)
    }


def _percent(share: float) -> str:
    return f"{percent(share)}%"


def lines_of(method: ComparedMethod, key: str) -> Lines:
    """Return the lines of one logged key.

    The rows of a log are averaged over `MOST_POINTS` spans at most. The mean over seeds has a point
    where every seed that logs the key has one.
    """
    logs = [
        [(i, row) for i, row in enumerate(rows) if key in row] for rows in method.curves.values()
    ]
    longest = max((log[-1][0] + 1 for log in logs if log), default=0)
    width = math.ceil(longest / MOST_POINTS) or 1
    seeds = [_spans(log, key, width) for log in logs if log]
    shared = [span for span in (seeds[0] if seeds else ()) if all(span in seed for seed in seeds)]
    mean = [
        (
            sum(seed[span][0] for seed in seeds) / len(seeds),
            sum(seed[span][1] for seed in seeds) / len(seeds),
        )
        for span in shared
    ]
    return mean, [list(seed.values()) for seed in seeds]


def _spans(
    log: Sequence[tuple[int, Mapping[str, float]]], key: str, width: int
) -> dict[int, Point]:
    spans: dict[int, list[Point]] = defaultdict(list)
    for i, row in log:
        at = row.get("episodes", row.get("step", i + 1))
        spans[i // width].append((at, row[key]))
    return {
        span: (
            sum(p[0] for p in points) / len(points),
            sum(p[1] for p in points) / len(points),
        )
        for span, points in spans.items()
    }


def _panels(
    comparison: MethodComparison,
    styles: Mapping[str, tuple[str, str]],
    write: Callable[[float], str],
    *,
    shares: bool,
    what: str,
    small: bool = False,
) -> Markup | None:
    """Return a panel for each trained method that logged one of the keys; None if none did."""
    drawn: dict[str, list[tuple[str, str, Lines]]] = {}
    without: list[str] = []
    for method in comparison.methods:
        if not method.trained:
            continue
        lines = [(*styles[key], lines_of(method, key)) for key in styles]
        if any(mean for _, _, (mean, _) in lines):
            drawn[method.name] = lines
        else:
            without.append(method.name)
    if not drawn:
        return None
    points = [p for lines in drawn.values() for *_, (_, seeds) in lines for s in seeds for p in s]
    x = _episode_axis(max(at for at, _ in points))
    y = value_axis([value for _, value in points], shares=shares)
    unit = _unit(comparison)
    parts = [
        panel(_panel(method, drawn[method.name], write), x, y, lambda at: f"{at:,.0f} {unit}")
        for method in comparison.methods
        if method.name in drawn
    ]
    left_out = note(f"No {what} was logged for: {', '.join(without)}.") if without else None
    return join([grid(parts, "small" if small else ""), left_out])


def _panel(
    method: ComparedMethod, lines: Sequence[tuple[str, str, Lines]], write: Callable[[float], str]
) -> Panel:
    series = [
        Series(label, style, mean, faint=seeds if len(seeds) > 1 else (), write=write)
        for label, style, (mean, seeds) in lines
        if mean
    ]
    return Panel(method_name(method), method.name, series)


def value_axis(values: Sequence[float], *, shares: bool) -> Axis:
    """Return an axis for values from 0 upward; for shares above 50% it ends at 100%."""
    high = max([*values, 0.0])
    if shares and high > 0.5:
        return Axis(0.0, 1.0, (0.0, 0.5, 1.0), lambda share: percent(share, digits=0))
    label = (lambda share: percent(share, digits=0)) if shares else short
    return nice_axis(min([*values, 0.0]), high or 1.0, label, most=3)


def _episode_axis(last: float) -> Axis:
    ticks = tuple(t for t in nice_axis(0, last, short, most=4).ticks if t <= last)
    return Axis(0.0, last, ticks, short)


def _unit(comparison: MethodComparison) -> str:
    """Return what the x axis counts: episodes, or steps if no log counts episodes."""
    rows = (rows[0] for m in comparison.methods for rows in m.curves.values() if rows)
    return "episodes" if any("episodes" in row for row in rows) else "steps"
