"""Learning curves of several runs as a picture in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from selfcorrect_agents.pictures.markup import Markup, join, tag

TrainingLog: TypeAlias = Sequence[Mapping[str, float]]
"""The metrics of a run, one mapping for each step."""

Runs: TypeAlias = Mapping[str, Mapping[int, TrainingLog]]
"""Name of a method -> seed -> log."""

Point: TypeAlias = tuple[int, float]
"""A step, from 0, and a value there."""

COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#333333", "#8c564b", "#6a3d9a", "#7f9f1b"),
)
LEFT, TOP, WIDTH, HEIGHT, RIGHT = 48, 40, 640, 300, 24
"""Size of the plot and of its margins in pixels; the legend is below."""

LINE = 18
"""Height of a line of the legend in pixels."""


def write_svg(path: Path, title: str, runs: Runs, attempts: int, window: int = 5) -> None:
    """Write the picture of `curves_svg` to a file."""
    path.write_text(curves_svg(title, runs, attempts, window), "utf-8")


def curves_svg(title: str, runs: Runs, attempts: int, window: int = 5) -> str:
    """Draw the accuracy of the first (dashed) … last (solid) attempt against training steps.

    Args:
        title: the title of the picture.
        runs: the logs of every method. Each method has a colour: a bold line is the mean over
            seeds, a thin one a seed.
        attempts: attempts in an episode.
        window: steps of the running mean.
    """
    total = max((len(log) for seeds in runs.values() for log in seeds.values()), default=1)
    thin: list[Markup] = []
    bold: list[Markup] = []
    for i, (name, seeds) in enumerate(runs.items()):
        colour = COLOURS[i % len(COLOURS)]
        for turn in range(1, attempts + 1):
            key = f"t{turn}/accuracy"
            lines = {seed: _running_mean(log, key, window) for seed, log in seeds.items()}
            for seed, points in lines.items():
                told = f"{name}, seed {seed}: Acc@t{turn}"
                thin.append(_line(told, points, total, colour, turn, attempts))
            mean = _mean_line(list(lines.values()))
            told = f"{name}, mean over seeds: Acc@t{turn}"
            bold.append(_line(told, mean, total, colour, turn, attempts, bold=True))
    legend = _legend(runs, attempts, window)
    height = TOP + HEIGHT + 50 + LINE * (len(runs) + attempts + 1)
    picture = tag(
        "svg",
        tag("rect", width="100%", height="100%", fill="white"),
        tag("text", title, x=LEFT, y=22, font_size=15, font_weight="bold"),
        _axes(total),
        join([*thin, *bold], "\n"),
        legend,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {LEFT + WIDTH + RIGHT} {height}",
        font_family="sans-serif",
        font_size=12,
    )
    return picture + "\n"


def _running_mean(log: TrainingLog, key: str, window: int) -> list[Point]:
    """Return the mean of a key over the last ``window`` steps, at each step that logged it."""
    points = []
    for step, row in enumerate(log):
        if key in row:
            recent = log[max(0, step - window + 1) : step + 1]
            values = [each[key] for each in recent if key in each]
            points.append((step, sum(values) / len(values)))
    return points


def _mean_line(lines: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the mean of lines as far as all of them go."""
    together = zip(*lines, strict=False)
    return [(points[0][0], sum(v for _, v in points) / len(points)) for points in together]


def _dashes(turn: int, attempts: int) -> str | None:
    """Return the dashes of an attempt's line; the last one's is solid."""
    if turn == attempts:
        return None
    return "6 4" if turn == 1 else f"2 {2 + turn}"


def _line(
    told: str,
    points: Sequence[Point],
    total: int,
    colour: str,
    turn: int,
    attempts: int,
    *,
    bold: bool = False,
) -> Markup:
    """Return a line through points. A single one is a circle, filled for the last attempt."""
    look = {"stroke": colour, "stroke_opacity": None if bold else 0.4}
    if len(points) == 1:
        x, y = _position(*points[0], total)
        fill = colour if turn == attempts else "white"
        place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 4 if bold else 3}
        return tag("circle", tag("title", told), **place, fill=fill, stroke_width=1.5, **look)
    places = (_position(step, value, total) for step, value in points)
    return tag(
        "polyline",
        tag("title", told),
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
        fill="none",
        stroke_width=2.5 if bold else 0.8,
        stroke_dasharray=_dashes(turn, attempts),
        **look,
    )


def _position(step: int, value: float, total: int) -> tuple[float, float]:
    return LEFT + WIDTH * step / max(total - 1, 1), TOP + HEIGHT * (1 - value)


def _axes(total: int) -> Markup:
    parts = []
    for tenth in range(0, 11, 2):
        y = TOP + HEIGHT * (1 - tenth / 10)
        parts.append(tag("line", x1=LEFT, y1=y, x2=LEFT + WIDTH, y2=y, stroke="#ddd"))
        label = f"{10 * tenth}%"
        parts.append(tag("text", label, x=LEFT - 6, y=y + 4, text_anchor="end"))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        step = f"{1 + share * (total - 1):.0f}"
        x, y = LEFT + share * WIDTH, TOP + HEIGHT + 16
        parts.append(tag("text", step, x=x, y=y, text_anchor=anchor))
    middle = LEFT + WIDTH / 2
    parts.append(tag("text", "training step", x=middle, y=TOP + HEIGHT + 34, text_anchor="middle"))
    return join(parts, "\n")


def _legend(runs: Runs, attempts: int, window: int) -> Markup:
    entries = [(name, COLOURS[i % len(COLOURS)], None) for i, name in enumerate(runs)]
    turns = range(1, attempts + 1)
    entries += [(f"Acc@t{turn}", "#444", _dashes(turn, attempts)) for turn in turns]
    parts = []
    first = TOP + HEIGHT + 54
    for i, (name, colour, dashes) in enumerate(entries):
        y = first + LINE * i
        line = {"stroke": colour, "stroke_width": 2.5, "stroke_dasharray": dashes}
        parts.append(tag("line", x1=LEFT, y1=y - 4, x2=LEFT + 28, y2=y - 4, **line))
        parts.append(tag("text", name, x=LEFT + 36, y=y))
    told = f"running means over {window} steps" if window > 1 else "every step"
    if any(len(seeds) > 1 for seeds in runs.values()):
        told += "; bold: mean over seeds; thin: each seed"
    parts.append(tag("text", told, x=LEFT, y=first + LINE * len(entries), fill="#555"))
    return join(parts, "\n")
