"""The results of finished cells: metrics at each problem, training logs, what was spent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.plan.cells import Cell, is_done
from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig
from selfcorrect_agents.comparison.results.clock import read_seconds
from selfcorrect_agents.comparison.results.comparison import Spent
from selfcorrect_agents.comparison.results.processor import PROCESSOR_FILE, read_processors
from selfcorrect_agents.comparison.results.sampling import ScalingCurves, read_curves
from selfcorrect_agents.training.run_folder import read_metrics
from selfcorrect_env import CheckpointError, Report
from selfcorrect_env.evaluation import Array, per_problem

CURVE_POINTS = 300
"""A longer training log is thinned to the means of this many spans of steps."""

COUNTERS = ("step", "episodes", "tokens", "gradient_tokens")
"""Keys of a training log that only grow."""


@dataclass(frozen=True)
class CellResult:
    """The results of a finished cell."""

    cell: Cell
    reports: Mapping[str, Report]
    """By decoding."""
    problems: Mapping[str, Mapping[str, Array]]
    """By decoding: the metrics at each problem (`selfcorrect_env.evaluation.per_problem`)."""
    history: Sequence[Mapping[str, float]]
    """The training log, one mapping for each step; empty if nothing was trained."""
    seconds: Mapping[str, float]
    """Wall-clock time of "training" and "measuring", summed over interruptions."""
    scaling: ScalingCurves | None
    """Of many samples, if the cell was sampled."""
    instructions: Sequence[str] = ()
    """The vector instructions of the processors that it ran on."""

    @classmethod
    def load(cls, cell: Cell, folder: Path) -> CellResult:
        """Read a finished cell of the comparison in ``folder``."""
        path = folder / cell.folder
        metrics = path / "run" / "metrics.jsonl"
        scaling = cell.scaling and read_curves(path / "scaling", cell.scaling.samples)
        reports = {name: Report.load(path / name) for name in cell.decodings}
        history = read_metrics(metrics) if metrics.exists() else []
        turns = cell.compared_agent().attempt_turns
        return cls(
            cell=cell,
            reports=reports,
            problems={name: per_problem(report.episodes) for name, report in reports.items()},
            history=[of_attempts(row, turns) for row in history] if turns else history,
            seconds=read_seconds(path / "seconds.json"),
            scaling=scaling,
            instructions=read_processors(path / PROCESSOR_FILE),
        )


def of_attempts(row: Mapping[str, float], turns: Sequence[int]) -> dict[str, float]:
    """Return a row of a training log with attempts in the place of turns.

    Args:
        row: its keys are as ``t3/kl`` or ``eval/t3/accuracy``.
        turns: which turns are the attempts, from 1; the others are left out.

    >>> of_attempts({"step": 1, "t1/kl": 0.5, "t2/kl": 9.0, "eval/t3/kl": 0.7}, (1, 3))
    {'step': 1, 't1/kl': 0.5, 'eval/t2/kl': 0.7}
    """
    attempts = {str(turn): str(number) for number, turn in enumerate(turns, start=1)}
    found = {}
    for key, value in row.items():
        parts = re.fullmatch(r"((?:.*/)?t)(\d+)(/.*)", key)
        if parts is None:
            found[key] = value
        elif parts[2] in attempts:
            found[parts[1] + attempts[parts[2]] + parts[3]] = value
    return found


@dataclass(frozen=True)
class MethodResults:
    """The results of one method for every seed."""

    method: MethodConfig
    agent: ComparedAgent
    cells: Sequence[CellResult]
    """One for each seed, in the comparison's order."""

    @property
    def attempts(self) -> int:
        """Attempts in an episode (K)."""
        return next(iter(self.cells[0].reports.values())).measured.attempts

    @property
    def partial_credit(self) -> bool:
        """Whether the verifier gave partial credit."""
        return any(
            report.metrics.partial for cell in self.cells for report in cell.reports.values()
        )

    @property
    def unjudged(self) -> bool:
        """Whether the verifier failed at an episode."""
        return any(
            report.metrics.unjudged for cell in self.cells for report in cell.reports.values()
        )

    def stacked(self, decoding: str, name: str) -> Array:
        """Return shape (S, N): a metric of `per_problem` at each problem of each seed."""
        return np.stack([cell.problems[decoding][name] for cell in self.cells])


def load_results(config: CompareConfig, cells: Sequence[Cell], folder: Path) -> list[MethodResults]:
    """Read the results of every method whose cells are all finished.

    A cell that lacks something that was asked for later (a decoding, the scaling) is not
    finished: its method is left out.

    Args:
        config: the comparison.
        cells: its plan.
        folder: the comparison's folder.

    Raises:
        CheckpointError: a file is missing or broken, or cells were measured on other problems.
    """
    finished = []
    for method in config.methods:
        own = [cell for cell in cells if cell.method == method]
        if all(is_done(cell, folder) for cell in own):
            loaded = [CellResult.load(cell, folder) for cell in own]
            finished.append(MethodResults(method, ComparedAgent.find(method), loaded))
    require_same_problems(finished)
    return finished


def require_same_problems(results: Sequence[MethodResults]) -> None:
    """Raise a CheckpointError unless every cell was measured on the same problems."""
    reports = [report for r in results for c in r.cells for report in c.reports.values()]
    for other in reports[1:]:
        for name in ("fingerprint", "verifier", "prompts", "attempts"):
            ours, theirs = getattr(reports[0].measured, name), getattr(other.measured, name)
            if ours != theirs:
                raise CheckpointError(
                    f"{reports[0].agent!r} and {other.agent!r} cannot be compared: they differ "
                    f"in {name} ({ours} and {theirs}). The problem set or the package changed "
                    "between their runs; delete the older cell to run it again."
                )


# -- training --------------------------------------------------------------------------------------
def spent(result: MethodResults) -> Spent:
    """Return what a seed took, mean over seeds."""
    trained = [_spent_training(cell) for cell in result.cells]
    measuring = [cell.seconds.get("measuring", 0.0) for cell in result.cells]
    training = [cell.seconds.get("training", 0.0) for cell in result.cells]
    return Spent(
        episodes=_mean([episodes for episodes, *_ in trained]),
        tokens=_mean([tokens for _, tokens, _ in trained]),
        gradient_tokens=_mean([gradient for *_, gradient in trained]),
        seconds=float(np.mean(training) + np.mean(measuring)),
        training_seconds=float(np.mean(training)),
    )


def _spent_training(result: CellResult) -> tuple[float | None, float | None, float | None]:
    if not result.history:
        return (0.0, 0.0, 0.0) if result.cell.learning() is None else (None, None, None)
    last = result.history[-1]
    return last.get("episodes"), last.get("tokens"), last.get("gradient_tokens")


def curve(history: Sequence[Mapping[str, float]], attempts: int) -> list[dict[str, float]]:
    """Return the rows of a training log that reports draw, thinned to `CURVE_POINTS`."""
    count = min(len(history), CURVE_POINTS)
    spans = np.array_split(np.arange(len(history)), count) if count else []
    keys = [*COUNTERS, "unchanged"]
    keys += [f"t{t}/{name}" for name in ("accuracy", "kl") for t in range(1, attempts + 1)]
    return [_span([history[i] for i in span], keys) for span in spans]


def _span(rows: Sequence[Mapping[str, float]], keys: Sequence[str]) -> dict[str, float]:
    """Return the means of a span of steps; counters are those at its end."""
    thinned = {}
    for key in keys:
        values = [row[key] for row in rows if _is_finite(row.get(key))]
        if values:
            thinned[key] = values[-1] if key in COUNTERS else float(np.mean(values))
    return thinned


def _is_finite(value: Any) -> bool:
    """Whether a value of a log is a finite number, as a method of one's own may log others."""
    return isinstance(value, int | float) and math.isfinite(value)


def final_kl(history: Sequence[Mapping[str, float]], turn: int) -> float | None:
    """Return the mean KL to the base of a turn over the last tenth of a training log.

    It is that of the episodes sampled in training, in nats; None if none was logged.
    """
    values = [row[f"t{turn}/kl"] for row in history if _is_finite(row.get(f"t{turn}/kl"))]
    return float(np.mean(values[-max(1, len(values) // 10) :])) if values else None


# -- tokens ----------------------------------------------------------------------------------------
def tokens_measured(result: MethodResults, decoding: str) -> tuple[float, ...] | None:
    """Return the mean number of tokens of each attempt; None if they were not counted.

    All that an agent generated for a reply counts, several generations included
    (`selfcorrect_env.Reply.tokens`).
    """
    seeds = []
    for cell in result.cells:
        episodes = cell.reports[decoding].episodes
        counts = [[attempt.tokens for attempt in episode.attempts] for episode in episodes]
        if any(count is None for row in counts for count in row):
            return None
        seeds.append(np.array(counts, dtype=float).mean(axis=0))
    return tuple(np.mean(seeds, axis=0).tolist())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
