"""``selfcorrect quickstart``: a small language model learns to correct itself, in minutes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from selfcorrect_agents.curves import curve_table, write_svg
from selfcorrect_agents.experiments import DECODINGS, Cell, history, report, run_cells
from selfcorrect_agents.methods import find_method
from selfcorrect_agents.models import parse_tiny, tiny_base_with_progress
from selfcorrect_env import Report
from selfcorrect_env.cli import UsageError
from selfcorrect_env.commands.making import parse

ABOUT = """\
Watch a small language model learn to correct itself, and plain multi-turn RL collapse beside it.

For each seed a tiny Llama-style model is pre-trained (under a minute, then cached), and trained
with two methods at the same number of episodes, on an arithmetic task in two attempts. Prints
each seed's figures on held-out problems, sampled and greedy, and the learning curves.

The folder keeps every run; the same command goes on where it was interrupted.

Examples:
  selfcorrect quickstart
  selfcorrect quickstart --seeds 0 1 2 3 4 --jobs 4 --out runs/five
  selfcorrect quickstart --hidden-size 128"""

METHODS: dict[str, dict[str, Any]] = {
    "base": {"method": "base"},
    "multi-turn RL": {"method": "multiturn_rl"},
    "SCoRe": {"method": "score"},
}
"""What is compared: the name in tables -> method, with the default configuration of each."""

TUNED_WIDTH = 64
"""The width of the tiny model that the methods' defaults were tuned at."""

COLUMNS = ("t1", "t2", "Δ", "Δ i→c", "Δ c→i", "same")


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions:
    """How large the comparison is, and where it goes."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One base model and one run of each method for each seed."""
    hidden_size: int = 64
    """Width of the tiny model. Learning rates fall and steps rise in proportion to it."""
    problems: int = 2000
    """Held-out problems to measure on, at most 4,000."""
    jobs: int = 2
    """Processes at a time; each uses one thread."""
    out: str = "runs/quickstart"
    """The folder for everything."""


@dataclass(frozen=True)
class Row:
    """A line of the table: one method, one seed, one way of decoding; percentages."""

    name: str
    seed: int
    figures: tuple[float, ...] = field()
    """Acc@t1, Acc@t2, Δ, Δ^{i→c}, Δ^{c→i}, share of answers that stayed the same; in percent."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    transformers.utils.logging.disable_progress_bar()  # the bars of this command say enough
    options = parse(QuickstartOptions, argv, prog="selfcorrect quickstart", about=ABOUT)
    if not options.seeds or options.jobs < 1 or not 1 <= options.problems <= 4000:
        raise UsageError("--seeds needs a seed, --jobs at least 1, --problems 1 to 4000.")
    console = Console()
    folder = Path(options.out)
    cells = plan(options)
    try:
        for model in dict.fromkeys(cell.model for cell in cells):
            tiny_base_with_progress(parse_tiny(model))
        with cell_bars(cells) as on_progress:
            run_cells(cells, folder, jobs=options.jobs, on_progress=on_progress)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; the same command goes on from {folder}.", file=sys.stderr)
        raise
    console.print(summary(cells, folder))
    trained = [cell for cell in cells if cell.method != "base"]
    curves = {f"{cell.name}, seed {cell.seed}": history(cell, folder) for cell in trained}
    write_svg(folder / "learning-curves.svg", curves)
    console.print(curve_table(curves))
    console.print(Text(f"Pictures, runs and episodes: {folder} (learning-curves.svg)"))
    return 0


def plan(options: QuickstartOptions) -> list[Cell]:
    """Return every method × seed of the comparison, checked for equal numbers of episodes."""
    cells = [
        Cell(
            name=name,
            seed=seed,
            model=f"tiny:seed={seed},hidden_size={options.hidden_size}",
            train={"problems": "arithmetic", "split": "train"},
            test={"problems": "arithmetic", "split": "test"},
            problems=options.problems,
            learning=scaled(method["method"], options.hidden_size),
            **method,
        )
        for seed in options.seeds
        for name, method in METHODS.items()
    ]
    episodes = {cell.episodes() for cell in cells if cell.method != "base"}
    if len(episodes) != 1:
        raise ValueError(f"Methods compared must play as many episodes as each other: {episodes}.")
    return cells


def scaled(method: str, hidden_size: int) -> dict[str, Any]:
    """Return a method's learning rates and numbers of steps for a model of another width.

    Adam's step moves a layer's output in proportion to the width, so the rates fall with it,
    and there are as many more steps: the same for every method.
    """
    if method == "base" or hidden_size == TUNED_WIDTH:
        return {}
    width = hidden_size / TUNED_WIDTH
    defaults = dataclasses.asdict(find_method(method).Learning())  # type: ignore[attr-defined]
    return {
        name: value / width if name.endswith("learning_rate") else round(value * width)
        for name, value in defaults.items()
        if name.endswith("learning_rate") or name == "steps" or name.endswith("_steps")
    }


@contextmanager
def cell_bars(cells: Sequence[Cell]) -> Iterator[Any]:
    """Show one progress bar for each training run; yields ``on_progress(cell, steps)``."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {
            cell.folder: bars.add_task(
                f"{cell.name}, seed {cell.seed}", total=cell.steps(), start=False
            )
            for cell in cells
            if cell.steps()
        }

        def on_progress(cell: Cell, steps: int) -> None:
            if steps and cell.folder in tasks:
                bars.start_task(tasks[cell.folder])
                bars.update(tasks[cell.folder], completed=steps)

        yield on_progress


def summary(cells: Sequence[Cell], folder: Path) -> RenderableType:
    """Return the tables of all cells, sampled and greedy, and what they come to."""
    parts: list[RenderableType] = []
    for decoding, temperature in DECODINGS.items():
        rows = [row_of(cell, report(cell, folder, decoding)) for cell in cells]
        first = report(cells[0], folder, decoding)
        title = (
            f"{decoding} (T = {temperature:g}), {first.metrics.episodes:,} held-out problems of "
            f"{first.measured.problem_set}/{first.measured.split} "
            f"({first.measured.fingerprint}), in percent"
        )
        parts += [figures_table(title, rows), Text(verdict(rows)), Text("")]
    trained = next(cell for cell in cells if cell.method != "base")
    parts.append(Text(f"Every trained policy played {trained.episodes():,} training episodes."))
    return Group(*parts)


def row_of(cell: Cell, measured: Report) -> Row:
    """Return the six figures of a report."""
    m = measured.metrics
    values = (
        *(a.value for a in m.accuracy),
        m.delta.value,
        m.delta_i_to_c.value,
        m.delta_c_to_i.value,
        m.unchanged_answers.value,
    )
    return Row(cell.name, cell.seed, tuple(100 * value for value in values))


def figures_table(title: str, rows: Sequence[Row]) -> Table:
    """Return one line for each method × seed, and the mean ± sd over seeds of each method."""
    table = Table(title=Text(title), title_justify="left", padding=(0, 0))
    table.add_column("method", no_wrap=True)
    table.add_column("seed", justify="right", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name in dict.fromkeys(row.name for row in rows):
        group = [row for row in rows if row.name == name]
        for row in group:
            table.add_row(name, str(row.seed), *(f"{value:.1f}" for value in row.figures))
        values = np.array([row.figures for row in group])
        if len(group) > 1:
            pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
            table.add_row(name, "mean±sd", *(f"{m:.1f}±{s:.1f}" for m, s in pairs), style="bold")
        table.add_section()
    return table


def verdict(rows: Sequence[Row]) -> str:
    """Say in a line whether SCoRe's worst seed beats multi-turn RL's best in Acc@t2."""
    worst = min(row.figures[1] for row in rows if row.name == "SCoRe")
    best = max(row.figures[1] for row in rows if row.name == "multi-turn RL")
    relation = "above" if worst > best else "NOT above"
    return f"Acc@t2: SCoRe's worst seed {worst:.1f} is {relation} multi-turn RL's best {best:.1f}."
