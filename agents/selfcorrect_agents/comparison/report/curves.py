"""Learning curves of several methods: as a table in the terminal and as a picture in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from selfcorrect_agents.comparison.report.fitted_table import FittedTable
from selfcorrect_agents.comparison.report.markup import Markup, join, tag

TrainingLog: TypeAlias = Sequence[Mapping[str, float]]
"""The metrics of a run, one mapping for each step."""

Runs: TypeAlias = Mapping[str, Mapping[int, TrainingLog]]
"""Name of a method -> seed -> log."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LEFT, TOP, WIDTH, HEIGHT, RIGHT = 48, 40, 640, 300, 24
"""Size of the plot and of its margins in pixels; the legend is below."""

LINE = 18
"""Height of a line of the legend in pixels."""


def curve_table(runs: Runs, attempts: int, points: int = 6) -> FittedTable:
    """Return the accuracy of each attempt and the share unchanged along training.

    Args:
        runs: the logs of every method.
        attempts: attempts in an episode.
        points: how many spans of steps are shown; each is averaged.
    """
    logs = {
        f"{name}, seed {seed}": log for name, seeds in runs.items() for seed, log in seeds.items()
    }
    total = max(map(len, logs.values()), default=0)
    spans = list(pairwise(round(i * total / points) for i in range(points + 1)))
    turns = "/".join(f"t{turn}" for turn in range(1, attempts + 1))
    title = f"Learning curves, by training step: Acc@{turns}"
    title += ", then share of answers unchanged; percent" if attempts > 1 else "; percent"
    rows = [["run", *(f"{first + 1}–{last}" for first, last in spans)]]
    for name, log in logs.items():
        rows.append([name, *(_span(log[first:last], attempts) for first, last in spans)])
    return FittedTable(title=title, rows=rows)


def _span(log: TrainingLog, attempts: int) -> str:
    keys = [f"t{turn}/accuracy" for turn in range(1, attempts + 1)]
    accuracies = "/".join(_mean_percent(log, key) for key in keys)
    return f"{accuracies} {_mean_percent(log, 'unchanged')}" if attempts > 1 else accuracies


def _mean_percent(log: TrainingLog, key: str) -> str:
    values = [row[key] for row in log if key in row]
    return f"{100 * sum(values) / len(values):.0f}" if values else "–"


# -- the picture -----------------------------------------------------------------------------------
def write_svg(path: Path, title: str, runs: Runs, attempts: int, window: int = 5) -> None:
    """Draw the accuracy of the first (dashed) … last (solid) attempt against training steps.

    Args:
        path: the file to write.
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
            for seed, line in lines.items():
                told = f"{name}, seed {seed}: Acc@t{turn}"
                thin.append(_polyline(told, line, total, colour, turn, attempts))
            mean = _mean_line(list(lines.values()))
            told = f"{name}, mean over seeds: Acc@t{turn}"
            bold.append(_polyline(told, mean, total, colour, turn, attempts, bold=True))
    legend = _legend(list(runs), attempts)
    height = TOP + HEIGHT + 50 + LINE * (len(runs) + attempts)
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
    path.write_text(picture + "\n", "utf-8")


def _running_mean(log: TrainingLog, key: str, window: int) -> list[float]:
    values = [row[key] for row in log if key in row]
    parts = (values[max(0, i - window + 1) : i + 1] for i in range(len(values)))
    return [sum(part) / len(part) for part in parts]


def _mean_line(lines: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of lines as far as all of them go."""
    return [sum(values) / len(values) for values in zip(*lines, strict=False)]


def _dashes(turn: int, attempts: int) -> str | None:
    """Return the dashes of an attempt's line; the last one's is solid."""
    if turn == attempts:
        return None
    return "6 4" if turn == 1 else f"2 {2 + turn}"


def _polyline(
    told: str,
    values: Sequence[float],
    total: int,
    colour: str,
    turn: int,
    attempts: int,
    *,
    bold: bool = False,
) -> Markup:
    return tag(
        "polyline",
        tag("title", told),
        points=" ".join(_position(step, value, total) for step, value in enumerate(values)),
        fill="none",
        stroke=colour,
        stroke_width=2.5 if bold else 0.8,
        stroke_opacity=None if bold else 0.4,
        stroke_dasharray=_dashes(turn, attempts),
    )


def _position(step: int, value: float, total: int) -> str:
    x = LEFT + WIDTH * step / max(total - 1, 1)
    return f"{x:.1f},{TOP + HEIGHT * (1 - value):.1f}"


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


def _legend(names: Sequence[str], attempts: int) -> Markup:
    entries = [(name, COLOURS[i % len(COLOURS)], None) for i, name in enumerate(names)]
    turns = range(1, attempts + 1)
    entries += [(f"Acc@t{turn}", "#444", _dashes(turn, attempts)) for turn in turns]
    parts = []
    for i, (name, colour, dashes) in enumerate(entries):
        y = TOP + HEIGHT + 54 + LINE * i
        line = {"stroke": colour, "stroke_width": 2.5, "stroke_dasharray": dashes}
        parts.append(tag("line", x1=LEFT, y1=y - 4, x2=LEFT + 28, y2=y - 4, **line))
        parts.append(tag("text", name, x=LEFT + 36, y=y))
    told = "bold: mean over seeds; thin: each seed"
    parts.append(
        tag("text", told, x=LEFT + WIDTH, y=TOP + HEIGHT + 54, text_anchor="end", fill="#555")
    )
    return join(parts, "\n")
