"""Draw the map of `phase_diagram.py` from its stored runs.

    cd benchmarks/results/map
    python ../../phase_picture.py cells.csv ../../../docs/images/phase-diagram.svg

A panel for the base models and one for each method. A cell has a kind of base model: its colour is
Acc@t2 as a share of the ceiling, its text says how the runs ended.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

COLUMNS = 3
WIDTH, HEIGHT, LEGEND_HEIGHT = 3.6, 3.9, 1.7
"""Width and height of a panel in inches, and height of the legend; a cell is an inch wide."""

TITLE = "When does which method learn to correct itself?"
LEGEND = """\
42 → 97      Acc@t1 → Acc@t2, in percent, mean over the runs (T = 1)
fixes 7%     base models: the prior, the measured share of wrong first answers that they fix
2 of 2       runs that solved the task: Acc@t2 is at least 90% of the ceiling
after 8k     training episodes until then, mean
partly …     how the other runs ended
"""
SHORT = {"part of the way": "partly"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell's text, and where its borders are in the axes' data."""

    axes: Axes
    text: Text
    centre: tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=Path, help="the cells.csv that phase_diagram.py wrote")
    parser.add_argument("picture", type=Path, help="the .svg file to write")
    options = parser.parse_args()
    draw(options.picture, read_rows(options.cells))


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a cells.csv, one for each run."""
    texts = ("method", "outcome")
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {k: v if k in texts else number(v) for k, v in r.items()} for r in csv.DictReader(file)
        ]


def number(text: str) -> float | bool | str:
    """Return the value of a field of a cells.csv; "" stays."""
    if text in ("True", "False", ""):
        return text == "True" if text else ""
    return float(text)


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Write the picture; ``rows`` are those of `read_rows`."""
    mpl.rcParams["svg.hashsalt"] = "selfcorrect"
    figure, _ = phase_map(rows)
    figure.savefig(path, metadata={"Date": None})
    print(f"Picture: {path}")


def phase_map(rows: Sequence[Row]) -> tuple[Figure, list[Cell]]:
    """Return the picture, and its cells."""
    names = list(dict.fromkeys(row["method"] for row in rows))  # the base first
    lines = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(WIDTH * COLUMNS, HEIGHT * lines + LEGEND_HEIGHT), layout="constrained")
    figure.suptitle(TITLE, fontsize=15, fontweight="bold")
    above, below = figure.subfigures(2, 1, height_ratios=(HEIGHT * lines, LEGEND_HEIGHT))
    panels = above.subplots(lines, COLUMNS, squeeze=False).flatten()
    cells: list[Cell] = []
    image = None
    for i, (axes, name) in enumerate(zip(panels, names, strict=False)):
        image = panel(axes, name, rows, cells)
        if i % COLUMNS == 0:
            axes.set_ylabel("second replies that fix, as taught")
        if i + COLUMNS >= len(names):
            axes.set_xlabel("workings with a slip")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    text, scale = below.subplots(1, 2, width_ratios=(3, 1))
    text.set_axis_off()
    text.text(0.0, 0.5, LEGEND, va="center", fontsize=9.5, family="monospace", linespacing=1.5)
    scale.set_axis_off()
    bar = scale.inset_axes((0.0, 0.55, 0.95, 0.18))
    below.colorbar(image, cax=bar, orientation="horizontal", label="Acc@t2 / ceiling")
    return figure, cells


def panel(axes: Axes, name: str, rows: Sequence[Row], cells: list[Cell]) -> Any:
    """Draw one method, and add its cells to ``cells``; returns the image."""
    fixes, slips = (sorted({row[key] for row in rows}) for key in ("fix", "slips"))
    share = np.zeros((len(fixes), len(slips)))
    for i, fix in enumerate(fixes):
        for j, slip in enumerate(slips):
            of = [r for r in rows if (r["method"], r["fix"], r["slips"]) == (name, fix, slip)]
            share[i, j] = np.mean([row["t2"] / row["ceiling"] for row in of])
            text = base_caption(of) if name == "base" else caption(of)
            shown = axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color="white" if share[i, j] < 0.65 else "black",
            )
            cells.append(Cell(axes, shown, (j, i)))
    image = axes.imshow(share, vmin=0.2, vmax=1.0, cmap="viridis", origin="lower", aspect="auto")
    axes.set_title("base models" if name == "base" else name, fontsize=11)
    axes.set_xticks(range(len(slips)), [f"{100 * slip:g}%" for slip in slips])
    axes.set_yticks(range(len(fixes)), [f"{100 * fix:g}%" for fix in fixes])
    return image


def accuracies(rows: Sequence[Row]) -> str:
    """Return Acc@t1 → Acc@t2 in percent, means over runs."""
    first, last = (np.mean([row[key] for row in rows]) for key in ("t1", "t2"))
    return f"{100 * first:.0f} → {100 * last:.0f}"


def base_caption(rows: Sequence[Row]) -> str:
    """Return the text of a cell of base models: accuracies and prior."""
    prior = np.mean([row["prior"] for row in rows])
    return f"{accuracies(rows)}\nfixes {100 * prior:.1f}%"


def caption(rows: Sequence[Row]) -> str:
    """Return the text of a method's cell: accuracies, runs that solved the task, other ends."""
    won = [row for row in rows if row["solved"]]
    when = [row["episodes_to_solve"] for row in won if row["episodes_to_solve"] != ""]
    lines = [accuracies(rows), f"{len(won)} of {len(rows)}"]
    if when:
        lines.append(f"after {np.mean(when) / 1000:.0f}k")
    ends = {row["outcome"] for row in rows if not row["solved"]}
    lines += sorted(SHORT.get(end, end) for end in ends)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
