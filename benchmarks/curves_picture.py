"""Draw the learning curves of a comparison: a panel for each method, two lines for each seed.

    python benchmarks/curves_picture.py runs/sums/comparison.json docs/images/sums-curves.svg

The lines are the accuracies of the episodes that were sampled in training, step by step, at the
first and at the last attempt. Beside the picture, ``--steps`` writes them as a CSV file, a row for
each step of a run.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import tyro
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from selfcorrect_agents.comparison.results.comparison import ComparedMethod, read_comparison

COLUMNS = 4
WIDTH, HEIGHT = 2.9, 2.3
"""Width and height of a panel in inches."""

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
"""Of the seeds."""


@dataclass(frozen=True)
class Options:
    """Which comparison, and where the picture goes."""

    comparison: tyro.conf.Positional[Path]
    """A comparison.json."""
    picture: tyro.conf.Positional[Path]
    """The .svg file to write."""
    rows: tuple[str, ...] = ()
    """The methods to draw; by default all that were trained. What imitation samples before its fit
    is the base's, so its lines say nothing about it."""
    steps: Path | None = None
    """A CSV file of the same figures, of all methods that were trained."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    methods = [m for m in read_comparison(options.comparison).methods if any(m.curves.values())]
    if not methods:
        raise SystemExit(f"{options.comparison} has no learning curves: no row was trained.")
    names = [method.name for method in methods]
    if unknown := set(options.rows) - set(names):
        raise SystemExit(f"no curves of {sorted(unknown)}; there are those of: {', '.join(names)}")
    draw([m for m in methods if not options.rows or m.name in options.rows], options.picture)
    print(f"Picture: {options.picture}")
    if options.steps is not None:
        write(methods, options.steps)
        print(f"Steps: {options.steps}")


def draw(methods: list[ComparedMethod], path: Path) -> None:
    """Write the picture."""
    mpl.rcParams.update({"svg.hashsalt": "selfcorrect", "font.size": 8})
    columns = min(COLUMNS, len(methods))
    rows = -(-len(methods) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(columns * WIDTH, rows * HEIGHT),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, method in zip(panels.flat, methods, strict=False):
        draw_method(axes, method)
    for axes in panels.flat[len(methods) :]:
        axes.axis("off")
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy, %")
    figure.supxlabel("training episodes", fontsize=8)
    figure.suptitle("First attempt (dotted) and last attempt (solid); a colour is a seed")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_method(axes: Axes, method: ComparedMethod) -> None:
    axes.set_title(method.name, fontsize=8)
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    for (seed, curve), colour in zip(method.curves.items(), COLOURS * 10, strict=False):
        episodes = [step["episodes"] for step in curve]
        first, last = [[100 * step[name] for step in curve] for name in ends(curve[0])]
        axes.plot(episodes, first, color=colour, linestyle=":")
        axes.plot(episodes, last, color=colour, label=f"seed {seed}")


def ends(step: Mapping[str, float]) -> tuple[str, str]:
    """Return the names of the accuracies at the first and at the last attempt."""
    names = sorted((n for n in step if n.endswith("/accuracy")), key=lambda n: int(n[1:-9]))
    return names[0], names[-1]


def write(methods: list[ComparedMethod], path: Path) -> None:
    """Write the CSV file."""
    rows = list(steps(methods))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


def steps(methods: list[ComparedMethod]) -> Iterator[dict[str, str]]:
    """Yield a row for each step of each run: method, seed, and what the curve has."""
    for method in methods:
        for seed, curve in method.curves.items():
            for step in curve:
                values = {
                    name: f"{value:.4g}" if value < 1 else f"{value:g}"
                    for name, value in step.items()
                }
                yield {"method": method.name, "seed": seed, **values}


if __name__ == "__main__":
    main()
