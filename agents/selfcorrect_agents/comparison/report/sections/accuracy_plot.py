"""The picture of the accuracies: a row for each method, in it a dot for each attempt."""

from __future__ import annotations

from selfcorrect_agents.comparison.report.sections.html_tables import method_name
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    at,
    grid_lines,
    line,
    named_rows,
    nice_axis,
    picture,
)
from selfcorrect_agents.comparison.report.sections.turns import turn_style
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import (
    ComparedMethod,
    MethodComparison,
    MetricValue,
)
from selfcorrect_agents.comparison.results.formats import UNDEFINED, interval, percent
from selfcorrect_agents.pictures.markup import Markup, tag

STEP, MARGIN = 16, 12
"""Distance of two attempts of a method, and of the outer ones from the border, in pixels."""


def accuracy_plots(comparison: MethodComparison) -> Markup | None:
    """Return a picture for each way of decoding; None if no accuracy is defined."""
    known = [
        value
        for method in comparison.methods
        for metrics in method.metrics.values()
        for metric in metrics.accuracy
        for value in metric.known
    ]
    if not known:
        return None
    axis = nice_axis(min(known), max(known), lambda share: percent(share, digits=0))
    margin = 0.02 * (axis.high - axis.low)
    ticks = tuple(tick for tick in axis.ticks if 0 <= tick <= 1)
    axis = Axis(ticks[0] - margin, ticks[-1] + margin, ticks, axis.label)
    plots = (_plot(comparison, decoding, axis) for decoding in comparison.decodings)
    return tag("div", *plots, class_="halves")


def _plot(comparison: MethodComparison, decoding: str, axis: Axis) -> Markup:
    methods = sorted(comparison.methods, key=lambda method: not method.ranked)
    rows = [(method_name(method), _row(method, decoding, axis)) for method in methods]
    return named_rows(decoding_title(decoding), "accuracy, %", rows, axis)


def _row(method: ComparedMethod, decoding: str, axis: Axis) -> Markup:
    accuracy = method.metrics[decoding].accuracy
    height = 2 * MARGIN + STEP * (len(accuracy) - 1)
    levels = [MARGIN + STEP * i for i in range(len(accuracy))]
    parts = grid_lines(axis, height)
    for i in range(len(accuracy) - 1):
        before, after = accuracy[i].value, accuracy[i + 1].value
        if before is not None and after is not None:
            went = "gain" if after >= before else "loss"
            ends = at(axis.position(before)), at(axis.position(after))
            parts.append(line(ends[0], levels[i], ends[1], levels[i + 1], f"link {went}"))
    for turn, (metric, level) in enumerate(zip(accuracy, levels, strict=True), start=1):
        parts += _dot(metric, level, turn, len(accuracy), axis)
    label = ", ".join(f"t{turn}: {_told(metric)}" for turn, metric in enumerate(accuracy, start=1))
    return picture(height, f"{method.name}: {label}", *parts)


def _dot(metric: MetricValue, y: int, turn: int, attempts: int, axis: Axis) -> list[Markup]:
    if metric.value is None:
        return []
    style = turn_style(turn, attempts)
    parts = [
        line(at(axis.position(seed)), y - 6, at(axis.position(seed)), y + 6, f"seed {style}")
        for seed in metric.seeds
        if seed is not None
    ]
    if metric.low is not None and metric.high is not None:
        ends = at(axis.position(metric.low)), at(axis.position(metric.high))
        parts.append(line(ends[0], y, ends[1], y, f"whisker {style}"))
    told = tag("title", f"Acc@t{turn}: {_told(metric)}")
    position = at(axis.position(metric.value))
    return [*parts, tag("circle", told, cx=position, cy=y, r=4, class_=f"dot {style}")]


def _told(metric: MetricValue) -> str:
    if metric.value is None:
        return UNDEFINED
    return f"{percent(metric.value)}% {interval(metric)}".rstrip()
