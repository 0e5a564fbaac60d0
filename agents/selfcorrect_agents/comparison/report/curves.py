"""Learning curves of several methods as a table in the terminal."""

from __future__ import annotations

from itertools import pairwise

from selfcorrect_agents.comparison.report.fitted_table import FittedTable
from selfcorrect_agents.pictures.curves import Runs, TrainingLog


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
