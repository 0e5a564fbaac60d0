"""Pictures as inline SVG, as wide as the element that they are in.

Horizontal positions are percentages, so text and marks keep their size at any width; only lines
and areas are in an inner picture that is stretched, with strokes that are not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from selfcorrect_agents.pictures.markup import Attribute, Markup, join, tag

INNER = 1000
"""Width of the inner, stretched picture in its own units."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values and the ticks within it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: Callable[[float], str]
    """Tick -> its text."""

    def position(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end, never outside."""
        span = (self.high - self.low) or 1.0
        return min(max((value - self.low) / span, 0.0), 1.0)


def nice_axis(low: float, high: float, label: Callable[[float], str], *, most: int = 6) -> Axis:
    """Return an axis that covers ``low`` to ``high`` with at most ``most`` steps of a round size.

    >>> nice_axis(0.34, 0.99, str).ticks
    (0.2, 0.4, 0.6, 0.8, 1.0)
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    last = max(last, first + 1)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, label)


def picture(height: int, label: str, *content: Markup | None) -> Markup:
    """Return a picture ``height`` pixels high; ``label`` describes it for screen readers."""
    return tag("svg", *content, class_="plot", height=height, role="img", aria_label=label)


def stretched(height: int, content: Iterable[Markup]) -> Markup:
    """Return the inner picture: `INNER` units wide on any screen, ``height`` pixels high."""
    return tag(
        "svg",
        join(content),
        width="100%",
        height=height,
        viewBox=f"0 0 {INNER} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def at(share: float) -> str:
    """Return a horizontal position in percent."""
    return f"{100 * share:.2f}%"


def line(x1: str, y1: float, x2: str, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def words(x: str, y: float, content: str, **attributes: Attribute) -> Markup:
    """Return a text."""
    return tag("text", content, x=x, y=y, **attributes)


def grid_lines(axis: Axis, height: float) -> list[Markup]:
    """Return a line upward at each tick of an axis."""
    return [line(at(axis.position(t)), 0, at(axis.position(t)), height, "grid") for t in axis.ticks]


def named_rows(title: str, unit: str, rows: Iterable[tuple[Markup, Markup]], axis: Axis) -> Markup:
    """Return a figure of (name, picture) rows over one axis.

    Args:
        title: of the figure.
        unit: of the axis.
        rows: from top to bottom.
        axis: what the pictures are drawn along.
    """
    ticks = [
        words(at(axis.position(tick)), 12, axis.label(tick), text_anchor="middle")
        for tick in axis.ticks
    ]
    scale = tag("svg", *ticks, class_="plot", height=18, aria_hidden="true")
    return tag(
        "figure",
        tag("figcaption", title, tag("span", unit, class_="unit")),
        *(tag("div", name, drawn, class_="row") for name, drawn in rows),
        tag("div", tag("span"), scale, class_="row", aria_hidden="true"),
        class_="dots",
    )


# -- small multiples of lines -------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Series:
    """A line of a panel."""

    label: str
    """Its name in the readout."""
    style: str
    """A class of the style sheet: ``first``, ``last``, ``plain`` …"""
    points: Sequence[Point]
    faint: Sequence[Sequence[Point]] = ()
    """Lines behind it: one for each seed."""
    band: Sequence[tuple[float, float, float]] = ()
    """(x, low, high) of the interval around it."""
    bars: bool = False
    """Whether it is drawn as bars, one around each point."""
    write: Callable[[float], str] = str
    """Writes a value for the readout."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of several pictures with the same axes."""

    title: Markup
    name: str
    """The title as plain text, for the description."""
    series: Sequence[Series]
    said: str | None = None
    """The text of the readout at first; by default each series' last value."""


def panel(
    content: Panel, x: Axis, y: Axis, across: Callable[[float], str], *, height: int = 132
) -> Markup:
    """Return a panel: title, readout, picture.

    The readout shows the values at the position of the pointer or the arrow keys.

    Args:
        content: title and series.
        x: the axis across.
        y: the axis upward.
        across: writes a position on the x axis for the readout.
        height: of the picture in pixels.
    """

    def up(value: float) -> float:
        return height * (1 - y.position(value))

    parts = [_grid(x, y, height, up)]
    parts += [_inner(content.series, x, y, up, height)]
    for series in content.series:
        if not series.bars and len(series.points) <= 12:
            parts += [
                tag("circle", cx=at(x.position(a)), cy=round(up(b), 1), r=3, class_=series.style)
                for a, b in series.points
            ]
    said = content.said
    if said is None:
        drawn = (each for each in content.series if each.points)
        said = " · ".join(f"{each.label} {each.write(each.points[-1][1])}" for each in drawn)
    return tag(
        "figure",
        tag("figcaption", content.title, tag("output", said, class_="readout", data_end=said)),
        picture(height, f"{content.name}: {said}", *parts),
        class_="panel",
        tabindex=0,
        role="group",
        aria_label=f"{content.name}; arrow keys read the values",
        data_points=_data(content.series, x, up, across),
    )


def _grid(x: Axis, y: Axis, height: int, up: Callable[[float], float]) -> Markup:
    parts = []
    for tick in y.ticks:
        parts.append(line("0", round(up(tick), 1), "100%", round(up(tick), 1), "grid"))
        parts.append(words("0", round(up(tick), 1) + 4, y.label(tick), dx=-6, text_anchor="end"))
    for tick in x.ticks:
        position = x.position(tick)
        anchor = "start" if position < 0.02 else "end" if position > 0.98 else "middle"
        parts.append(words(at(position), height + 15, x.label(tick), text_anchor=anchor))
    return join(parts)


def _inner(
    series: Sequence[Series], x: Axis, y: Axis, up: Callable[[float], float], height: int
) -> Markup:
    def path(points: Iterable[Point]) -> str:
        return " ".join(f"{INNER * x.position(a):.1f},{up(b):.1f}" for a, b in points)

    parts: list[Markup] = []
    for each in series:
        if each.band:
            there = [(a, high) for a, _, high in each.band]
            back = [(a, low) for a, low, _ in reversed(each.band)]
            shape = path([*there, *back])
            parts.append(tag("polygon", points=shape, class_=f"band {each.style}"))
        parts += [
            tag("polyline", points=path(seed), class_=f"faint {each.style}") for seed in each.faint
        ]
    for each in series:
        if each.bars:
            parts += _bars(each, x, up, height)
        else:
            parts.append(tag("polyline", points=path(each.points), class_=f"line {each.style}"))
    return stretched(height, parts)


def _bars(series: Series, x: Axis, up: Callable[[float], float], height: int) -> Iterable[Markup]:
    positions = [x.position(a) for a, _ in series.points]
    width = INNER * (positions[1] - positions[0] if len(positions) > 1 else 1.0)
    for a, b in series.points:
        top = min(up(b), height - 1) if b > 0 else height
        yield tag(
            "rect",
            x=round(INNER * x.position(a) - 0.42 * width, 1),
            y=round(top, 1),
            width=round(0.84 * width, 1),
            height=round(height - top, 1),
            class_=f"bar {series.style}",
        )


def _data(
    series: Sequence[Series],
    x: Axis,
    up: Callable[[float], float],
    across: Callable[[float], str],
) -> str:
    lines = [
        {
            "label": each.label,
            "style": each.style,
            "at": [across(a) for a, _ in each.points],
            "left": [round(x.position(a), 4) for a, _ in each.points],
            "top": [round(up(b), 1) for _, b in each.points],
            "says": [each.write(b) for _, b in each.points],
        }
        for each in series
        if each.points
    ]
    return json.dumps(lines, separators=(",", ":"))
