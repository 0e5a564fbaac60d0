"""``selfcorrect quickstart``: a small language model learns to correct itself, in minutes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import transformers
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfcorrect_agents.comparison.engine import run
from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import DECODINGS, CompareConfig, MethodConfig
from selfcorrect_agents.comparison.report.curves import curve_table, write_svg
from selfcorrect_agents.comparison.results.cell_results import MethodResults, spent
from selfcorrect_agents.training.config import flat
from selfcorrect_agents.training.method_lookup import Budgeted, find_method
from selfcorrect_env import Report
from selfcorrect_env.cli import UsageError, output_folder, parse

ABOUT = """\
Watch a small language model learn to correct itself, with plain multi-turn RL beside it.

For each seed a tiny Llama-style model is pre-trained (under a minute, then cached), and trained
with plain multi-turn RL (at a KL coefficient near the paper's, and at a tuned one) and with SCoRe,
all at the same number of episodes, on an arithmetic task in two attempts. Prints
each seed's figures on held-out problems, sampled and greedy, and the learning curves.

The folder keeps every run; the same command goes on where it was interrupted. It is one of
'selfcorrect compare', which takes its compare.toml for more methods, seeds and settings.

Examples:
  selfcorrect quickstart
  selfcorrect quickstart --seeds 0 1 2 3 4 --jobs 4 --out runs/five
  selfcorrect quickstart --hidden-size 128"""

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("base", {}),
    "RL, small KL": ("multiturn_rl", {"beta_1": 0.02}),
    "multi-turn RL": ("multiturn_rl", {}),
    "SCoRe": ("score", {}),
}
"""What is compared: the name in tables -> agent, and what differs from its defaults."""

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
    folder = output_folder(options.out)
    try:
        finished = run(configured(options), folder)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; the same command goes on from {folder}.", file=sys.stderr)
        raise
    if finished.failures:
        for failure in finished.failures:
            print(f"selfcorrect: {failure}", file=sys.stderr)
        return 1
    console.print(summary(finished.results))
    curves = {
        cell.cell.name: cell.history
        for seed in zip(*(result.cells for result in finished.results), strict=True)
        for cell in seed
        if cell.history
    }
    write_svg(folder / "learning-curves.svg", curves)
    console.print(curve_table(curves))
    console.print(Text(f"Pictures, runs and episodes: {folder} (learning-curves.svg)"))
    return 0


def configured(options: QuickstartOptions) -> CompareConfig:
    """Return the comparison, checked for equal numbers of training episodes."""
    config = CompareConfig(
        title="Quickstart: SCoRe and plain multi-turn RL on arithmetic",
        methods=tuple(
            MethodConfig(
                label=label, agent=agent, learning=scaled(agent, options.hidden_size) | fields
            )
            for label, (agent, fields) in METHODS.items()
        ),
        model=f"tiny:seed={{seed}},hidden_size={options.hidden_size}",
        seeds=options.seeds,
        problems=options.problems,
        jobs=options.jobs,
    )
    learnings = [cell.learning() for cell in plan(config)]
    episodes = {learning.episodes for learning in learnings if isinstance(learning, Budgeted)}
    if len(episodes) > 1:
        raise ValueError(f"Methods compared must play as many episodes as each other: {episodes}.")
    return config


def scaled(method: str, hidden_size: int) -> dict[str, Any]:
    """Return a method's learning rates and numbers of steps for a model of another width.

    Adam's step moves a layer's output in proportion to the width, so the rates fall with it,
    and there are as many more steps: the same for every method.
    """
    if method == "base" or hidden_size == TUNED_WIDTH:
        return {}
    width = hidden_size / TUNED_WIDTH
    defaults = flat(find_method(method).Learning())  # type: ignore[attr-defined]
    return {
        name: value / width if name.endswith("learning_rate") else round(value * width)
        for name, value in defaults.items()
        if name.endswith("learning_rate") or name == "steps" or name.endswith("_steps")
    }


def summary(results: Sequence[MethodResults]) -> RenderableType:
    """Return the tables of all cells, sampled and greedy, and what they come to."""
    parts: list[RenderableType] = []
    for decoding, temperature in DECODINGS.items():
        rows = [
            row_of(result.method.label, cell.cell.seed, cell.reports[decoding])
            for result in results
            for cell in result.cells
        ]
        first = results[0].cells[0].reports[decoding]
        title = (
            f"{decoding} (T = {temperature:g}), {first.metrics.episodes:,} held-out problems of "
            f"{first.measured.problem_set}/{first.measured.split} "
            f"({first.measured.fingerprint}), in percent"
        )
        parts += [figures_table(title, rows), Text(verdict(rows)), Text("")]
    trained = next(result for result in results if result.contestant.trains)
    episodes = spent(trained)["episodes"]
    parts.append(Text(f"Every trained policy played {episodes:,.0f} training episodes."))
    return Group(*parts)


def row_of(label: str, seed: int, measured: Report) -> Row:
    """Return the six figures of a report."""
    m = measured.metrics
    values = (
        *(a.value for a in m.accuracy),
        m.delta.value,
        m.delta_i_to_c.value,
        m.delta_c_to_i.value,
        m.unchanged_answers.value,
    )
    return Row(label, seed, tuple(100 * value for value in values))


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
