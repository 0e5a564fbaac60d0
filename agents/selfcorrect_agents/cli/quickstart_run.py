"""The comparison of ``selfcorrect quickstart``: its methods, its tables and its pictures."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.text import Text

from selfcorrect_agents.cli.quickstart import QuickstartOptions
from selfcorrect_agents.comparison.engine import run
from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import DECODINGS, CompareConfig, MethodConfig
from selfcorrect_agents.comparison.report.curves import curve_table
from selfcorrect_agents.comparison.report.fitted_table import FittedTable
from selfcorrect_agents.comparison.report.table_rows import arrival_pair_rows, arrival_rows
from selfcorrect_agents.comparison.report.terminal import PAIRS_TITLE, arrival_title, identified
from selfcorrect_agents.comparison.results.cell_results import MethodResults, spent
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_agents.pictures.curves import write_svg
from selfcorrect_agents.training.config import flat
from selfcorrect_agents.training.method_lookup import Budgeted, learning_of
from selfcorrect_env.cli import note, print_json
from selfcorrect_env.evaluation import Metrics

PICTURE = "learning-curves.svg"

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("base", {}),
    "multi-turn RL": ("multiturn_rl", {}),
    "multi-turn RL, r2 alone": ("multiturn_rl", {"first_scale": 0.0}),
    "SCoRe": ("score", {}),
}
"""The methods: name in tables -> agent, and the settings that differ from its defaults. The second
row is equation 2 on both attempts, the third the baseline of the paper's figure 6."""

ARRIVAL = 0.9
"""Accuracy at the last attempt from which a seed has arrived."""

TUNED_WIDTH = 64
"""The width of the tiny model that the methods' defaults were tuned at."""

UNUSED = ("star_learning_rate",)
"""Settings of a stage II of SCoRe that is not compared; it refuses them in its own stage II."""


@dataclass(frozen=True)
class SeedMetrics:
    """The metrics of one method, one seed and one way of decoding."""

    name: str
    seed: int
    values: tuple[float, ...]
    """In percent, one for each of `metric_names`."""


def quickstart(options: QuickstartOptions, folder: Path) -> int:
    """Run the comparison, print its tables and draw its curves; returns the exit status.

    Args:
        options: the size of the comparison.
        folder: of its results.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
    """
    try:
        finished = run(configured(options), folder)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; the same command resumes from {folder}.", file=sys.stderr)
        raise
    if finished.failures:
        for failure in finished.failures:
            print(f"selfcorrect: {failure}", file=sys.stderr)
        return 1
    runs = {
        result.method.label: {cell.cell.seed: cell.history for cell in result.cells}
        for result in finished.results
        if result.agent.trains
    }
    attempts = finished.results[0].attempts
    write_svg(folder / PICTURE, "Training accuracy on arithmetic", runs, attempts)
    config = configured(options)
    if options.json:
        print_json(asdict(comparison_of(config, finished.results)))
        return 0
    console = Console()
    console.print(summary(config, finished.results))
    console.print(curve_table(runs, attempts))
    note(f"Pictures, runs and episodes: {folder} ({PICTURE})")
    return 0


def configured(options: QuickstartOptions) -> CompareConfig:
    """Return the comparison; every method trains for the same number of episodes."""
    config = CompareConfig(
        title="Quickstart: SCoRe and plain multi-turn RL on arithmetic",
        methods=tuple(
            MethodConfig(
                label=label, agent=agent, learning=scaled(agent, options.hidden_size) | fields
            )
            for label, (agent, fields) in METHODS.items()
        ),
        model={"model": f"tiny:seed={{seed}},hidden_size={options.hidden_size}"},
        seeds=options.seeds,
        n=options.n,
        arrival=ARRIVAL,
        jobs=options.jobs,
    )
    learnings = [cell.learning() for cell in plan(config)]
    episodes = {learning.episodes for learning in learnings if isinstance(learning, Budgeted)}
    if len(episodes) > 1:
        raise ValueError(f"Methods compared must play as many episodes as each other: {episodes}.")
    return config


def scaled(method: str, hidden_size: int) -> dict[str, Any]:
    """Return a method's learning rates and numbers of steps for a model of another width.

    A step of Adam changes a layer's output in proportion to the width, so learning rates are
    divided by the relative width and numbers of steps are multiplied by it, for every method.
    """
    if method == "base" or hidden_size == TUNED_WIDTH:
        return {}
    width = hidden_size / TUNED_WIDTH
    defaults = flat(learning_of(method)())
    return {
        name: value / width if name.endswith("learning_rate") else round(value * width)
        for name, value in defaults.items()
        if name.endswith(("learning_rate", "steps")) and name not in UNUSED
    }


def summary(config: CompareConfig, results: Sequence[MethodResults]) -> RenderableType:
    """Return the tables of every method and seed, sampled and greedy, and the arrivals."""
    compared = comparison_of(config, results)
    parts: list[RenderableType] = []
    attempts = results[0].attempts
    for decoding, temperature in DECODINGS.items():
        rows = [
            SeedMetrics(
                result.method.label, cell.cell.seed, seed_values(cell.reports[decoding].metrics)
            )
            for result in results
            for cell in result.cells
        ]
        first = results[0].cells[0].reports[decoding]
        title = (
            f"{decoding} (T = {temperature:g}), {first.metrics.episodes:,} held-out problems of "
            f"{first.measured.problem_set}/{first.measured.split} "
            f"({first.measured.fingerprint}), in percent"
        )
        arrivals = arrival_rows(compared, decoding)
        split = {m.name for m in compared.methods if m.trained and compared.arrives(decoding)}
        parts += [
            metrics_table(title, rows, attempts, without_mean=split),
            FittedTable(title=f"{decoding}: {arrival_title(compared)}", rows=arrivals),
            Text(""),
        ]
    earlier = arrival_pair_rows(compared, "sampled")
    parts.append(FittedTable(title=PAIRS_TITLE, rows=earlier, names=2))
    trained = next(result for result in results if result.agent.trains)
    episodes = spent(trained).episodes
    parts.append(Text(f"Every trained policy played {episodes:,.0f} training episodes."))
    parts += [Text(note) for note in (*identified(compared), *compared.notes)]
    return Group(*parts)


def metric_names(attempts: int) -> list[str]:
    """Return the columns of the table: the accuracies, then what the last attempt changed."""
    turns = [f"t{turn}" for turn in range(1, attempts + 1)]
    return [*turns, f"Δ(t1, t{attempts})", "Δ i→c", "Δ c→i", "same"]


def seed_values(metrics: Metrics) -> tuple[float, ...]:
    """Return the values of `metric_names` in percent."""
    changes = (metrics.delta, metrics.delta_i_to_c, metrics.delta_c_to_i, metrics.unchanged_answers)
    return tuple(100 * estimate.value for estimate in (*metrics.accuracy, *changes))


def metrics_table(
    title: str, rows: Sequence[SeedMetrics], attempts: int, without_mean: Container[str] = ()
) -> FittedTable:
    """Return one line for each method × seed, and the mean and sd over seeds of each method.

    Args:
        title: of the table.
        rows: one for each method and seed.
        attempts: of an episode.
        without_mean: methods of which a seed arrives or not, which a mean does not describe.
    """
    lines = [["method", "seed", *metric_names(attempts)]]
    bold, ends = set(), set()
    for name in dict.fromkeys(row.name for row in rows):
        group = [row for row in rows if row.name == name]
        lines += [[name, str(row.seed), *_written(row.values)] for row in group]
        values = np.array([row.values for row in group])
        if len(group) > 1 and name not in without_mean:
            bold.add(len(lines) - 1)
            lines.append([name, "mean", *_written(values.mean(axis=0))])
            lines.append([name, "sd", *_written(values.std(axis=0, ddof=1))])
        ends.add(len(lines) - 2)
    return FittedTable(title=title, rows=lines, names=2, bold=bold, ends=ends)


def _written(values: Iterable[float]) -> list[str]:
    return [f"{value:.1f}" for value in values]
