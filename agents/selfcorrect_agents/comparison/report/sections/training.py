"""Figures along training: a panel for each trained method, mean over seeds and each seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from selfcorrect_agents.comparison.report.markup import Markup, join
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    Panel,
    Point,
    Series,
    nice_axis,
    panel,
)
from selfcorrect_agents.comparison.report.sections.tables import grid, method_name, missing, note
from selfcorrect_agents.comparison.results.comparison import Comparison, Method, number
from selfcorrect_agents.comparison.results.formats import decimal, percent, short

MOST_POINTS = 100
"""Points of a line; a longer log is averaged over spans of steps."""

Lines = tuple[list[Point], list[list[Point]]]
"""The mean over seeds, and each seed's line; (episodes, value)."""


def accuracy_panels(comparison: Comparison) -> Markup:
    """Return Acc@t1 (dashed) and Acc@t2 (solid) against training episodes."""
    return _panels(
        comparison,
        {"t1/accuracy": ("t1", "first"), "t2/accuracy": ("t2", "second")},
        lambda share: f"{percent(share)}%",
        shares=True,
        what="accuracy",
    )


def unchanged_panels(comparison: Comparison) -> Markup:
    """Return the share of answers left unchanged against training episodes (paper, figure 6)."""
    styles = {"unchanged": ("unchanged", "plain")}
    return _panels(
        comparison, styles, lambda share: f"{percent(share)}%", shares=True, what="share unchanged"
    )


def kl_panels(comparison: Comparison) -> Markup:
    """Return the KL to the reference policy of each turn against training episodes."""
    styles = {"t1/kl": ("t1", "first"), "t2/kl": ("t2", "second")}
    return _panels(comparison, styles, decimal, shares=False, what="KL")


def lines_of(method: Method, key: str) -> Lines:
    """Return the lines of one logged key.

    Rows are put together by their place in the log into `MOST_POINTS` spans at most; a point is
    the mean of a span. The mean over seeds stands where every seed that logs the key has a point.
    """
    logs = [
        [(i, row) for i, row in enumerate(rows) if number(row.get(key)) is not None]
        for rows in method.curves.values()
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
        at = number(row.get("episodes"))
        place = at if at is not None else number(row.get("step")) or i + 1
        spans[i // width].append((place, float(row[key])))
    return {
        span: (
            sum(p[0] for p in points) / len(points),
            sum(p[1] for p in points) / len(points),
        )
        for span, points in spans.items()
    }


def _panels(
    comparison: Comparison,
    styles: Mapping[str, tuple[str, str]],
    write: Callable[[float], str],
    *,
    shares: bool,
    what: str,
) -> Markup:
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
        return missing(f"No run logged its {what} along training.")
    points = [p for lines in drawn.values() for *_, (_, seeds) in lines for s in seeds for p in s]
    x = _episode_axis(max(place for place, _ in points))
    y = value_axis([value for _, value in points], shares=shares)
    unit = _unit(comparison)
    parts = [
        panel(_panel(method, drawn[method.name], write), x, y, lambda at: f"{at:,.0f} {unit}")
        for method in comparison.methods
        if method.name in drawn
    ]
    left_out = note(f"No {what} was logged for: {', '.join(without)}.") if without else None
    return join([grid(parts, "" if len(styles) > 1 and shares else "small"), left_out])


def _panel(
    method: Method, lines: Sequence[tuple[str, str, Lines]], write: Callable[[float], str]
) -> Panel:
    series = [
        Series(label, style, mean, faint=seeds if len(seeds) > 1 else (), write=write)
        for label, style, (mean, seeds) in lines
        if mean
    ]
    return Panel(method_name(method), method.name, series)


def value_axis(values: Sequence[float], *, shares: bool) -> Axis:
    """Return an axis for values from 0 upward; one of shares that needs it reaches to 100%."""
    high = max([*values, 0.0])
    if shares and high > 0.5:
        return Axis(0.0, 1.0, (0.0, 0.5, 1.0), lambda share: percent(share, digits=0))
    label = (lambda share: percent(share, digits=0)) if shares else short
    return nice_axis(min([*values, 0.0]), high or 1.0, label, most=3)


def _episode_axis(last: float) -> Axis:
    ticks = tuple(t for t in nice_axis(0, last, short, most=4).ticks if t <= last)
    return Axis(0.0, last, ticks, short)


def _unit(comparison: Comparison) -> str:
    """Return what the x axis counts: episodes, or steps where no log counts episodes."""
    rows = (rows[0] for m in comparison.methods for rows in m.curves.values() if rows)
    return "episodes" if any("episodes" in row for row in rows) else "steps"
