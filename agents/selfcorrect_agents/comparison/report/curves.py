"""Learning curves: as a table in the terminal and as a picture in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rich.table import Table
from rich.text import Text

from selfcorrect_agents.comparison.report.markup import Markup, join, tag

Rows = Sequence[Mapping[str, float]]
"""A run's figures, one mapping for each step."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH, HEIGHT, MARGIN = 720, 360, 44


def curve_table(runs: Mapping[str, Rows], points: int = 6) -> Table:
    """Return "Acc@t1/Acc@t2, share unchanged" along training, averaged over ``points`` spans.

    Args:
        runs: name -> figures of each step.
        points: how many spans of steps are shown.
    """
    total = max(len(rows) for rows in runs.values())
    edges = [round(i * total / points) for i in range(points + 1)]
    table = Table(
        title=Text(
            "Learning curves, by training step: right at t1/t2, then share unchanged; percent"
        ),
        title_justify="left",
        padding=(0, 0),
    )
    table.add_column("run", no_wrap=True)
    for first, last in pairwise(edges):
        table.add_column(f"{first + 1}–{last}", justify="right", no_wrap=True)
    for name, rows in runs.items():
        spans = [rows[first:last] for first, last in pairwise(edges)]
        table.add_row(name, *map(_span, spans))
    return table


def write_svg(path: Path, runs: Mapping[str, Rows], window: int = 5) -> None:
    """Draw Acc@t1 (dashed) and Acc@t2 (solid) of every run against its steps.

    Args:
        path: the file to write.
        runs: name -> figures of each step. Names that differ after a comma share a colour.
        window: steps that a running mean is taken over.
    """
    total = max((len(rows) for rows in runs.values()), default=1)
    methods = list(dict.fromkeys(name.partition(",")[0] for name in runs))
    parts = [_axes(total)]
    for name, rows in runs.items():
        colour = COLOURS[methods.index(name.partition(",")[0]) % len(COLOURS)]
        for key, dashes in (("t1/accuracy", "4 3"), ("t2/accuracy", "none")):
            line = _line([row[key] for row in rows if key in row], total, window)
            told = tag("title", f"{name}: {key}")
            parts.append(
                tag(
                    "polyline",
                    told,
                    points=line,
                    fill="none",
                    stroke=colour,
                    stroke_width=1.5,
                    stroke_dasharray=dashes,
                )
            )
    for i, name in enumerate(methods):
        y, colour = MARGIN + 16 * i, COLOURS[i % len(COLOURS)]
        parts.append(tag("text", name, x=MARGIN + 12, y=y, fill=colour))
    picture = tag(
        "svg",
        tag("rect", width="100%", height="100%", fill="white"),
        join(parts, "\n"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        font_family="sans-serif",
        font_size=12,
    )
    path.write_text(picture + "\n", "utf-8")


def _span(rows: Rows) -> str:
    def mean(key: str) -> float:
        values = [row[key] for row in rows if key in row]
        return 100 * sum(values) / len(values) if values else float("nan")

    return f"{mean('t1/accuracy'):.0f}/{mean('t2/accuracy'):.0f} {mean('unchanged'):.0f}"


def _place(step: float, value: float, total: int) -> str:
    x = MARGIN + (WIDTH - 2 * MARGIN) * step / max(total - 1, 1)
    y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value
    return f"{x:.1f},{y:.1f}"


def _line(values: Sequence[float], total: int, window: int) -> str:
    means = [
        sum(part) / len(part)
        for i in range(len(values))
        if (part := values[max(0, i - window + 1) : i + 1])
    ]
    return " ".join(_place(i, mean, total) for i, mean in enumerate(means))


def _axes(total: int) -> Markup:
    parts = []
    for tenth in range(0, 11, 2):
        x, y = _place(0, tenth / 10, total).split(",")
        parts.append(tag("line", x1=x, y1=y, x2=WIDTH - MARGIN, y2=y, stroke="#ddd"))
        label = f"{10 * tenth}%"
        parts.append(tag("text", label, x=MARGIN - 6, y=float(y) + 4, text_anchor="end"))
    told = f"training step (1 to {total}); dashed: first attempt, solid: second attempt"
    parts.append(tag("text", told, x=WIDTH / 2, y=HEIGHT - 12, text_anchor="middle"))
    return join(parts, "\n")
