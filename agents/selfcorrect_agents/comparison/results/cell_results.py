"""What finished cells have left: figures at each problem, training logs, what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.plan.cells import Cell, is_done
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig
from selfcorrect_agents.comparison.plan.contestants import Contestant
from selfcorrect_agents.comparison.results.clock import read_seconds
from selfcorrect_agents.comparison.results.sampling import ScalingCurves, read_curves
from selfcorrect_agents.training.run_folder import read_metrics
from selfcorrect_env import CheckpointError, Episode, Report
from selfcorrect_env.evaluation import Array, edit_distance_ratio

FIGURES = (
    *("accuracy_t1", "accuracy_t2", "delta", "delta_i_to_c", "delta_c_to_i"),
    *("unchanged_answers", "edit_distance_ratio"),
)
"""What is measured at each problem; "t2" is the last attempt."""

CURVE_KEYS = ("step", "episodes", "tokens", "unchanged", "t1/accuracy", "t2/accuracy")
CURVE_KEYS += ("t1/kl", "t2/kl")
CURVE_POINTS = 300
"""A curve of more steps is thinned to the means of so many spans of steps."""


@dataclass(frozen=True)
class CellResult:
    """What a finished cell has left."""

    cell: Cell
    reports: Mapping[str, Report]
    """By decoding."""
    values: Mapping[str, Mapping[str, Array]]
    """By decoding, then by the names of `FIGURES`: shape (N,), what it is at each problem."""
    history: Sequence[Mapping[str, float]]
    """The training's figures, one mapping for each step; empty where nothing was trained."""
    seconds: Mapping[str, float]
    """Wall-clock of "training" and "measuring", summed over interruptions."""
    scaling: ScalingCurves | None
    """Of many samples, where the cell was sampled."""

    @classmethod
    def load(cls, cell: Cell, folder: Path) -> CellResult:
        """Read a finished cell of the comparison in ``folder``."""
        place = folder / cell.folder
        metrics = place / "run" / "metrics.jsonl"
        scaling = cell.scaling and read_curves(place / "scaling", cell.scaling.samples)
        reports = {name: Report.load(place / name) for name in cell.decodings}
        return cls(
            cell=cell,
            reports=reports,
            values={name: per_problem(report.episodes) for name, report in reports.items()},
            history=read_metrics(metrics) if metrics.exists() else [],
            seconds=read_seconds(place / "seconds.json"),
            scaling=scaling,
        )


@dataclass(frozen=True)
class MethodResults:
    """One method with every seed."""

    method: MethodConfig
    contestant: Contestant
    cells: Sequence[CellResult]
    """One for each seed, in the comparison's order."""

    def stacked(self, decoding: str, name: str) -> Array:
        """Return shape (S, N): one of `FIGURES` at each problem of each seed."""
        return np.stack([cell.values[decoding][name] for cell in self.cells])


def load_results(config: CompareConfig, cells: Sequence[Cell], folder: Path) -> list[MethodResults]:
    """Read the finished cells of every method that has one for each seed.

    A cell that is finished but for something that was asked for later (a decoding, the scaling)
    is not finished: its method is left out.

    Args:
        config: the comparison.
        cells: its plan.
        folder: where it is kept.

    Raises:
        CheckpointError: a file is missing or broken, or cells were measured on other problems.
    """
    whole = []
    for method in config.methods:
        own = [cell for cell in cells if cell.method == method]
        if all(is_done(cell, folder) for cell in own):
            loaded = [CellResult.load(cell, folder) for cell in own]
            whole.append(MethodResults(method, Contestant.find(method), loaded))
    require_one_ground(whole)
    return whole


def per_problem(episodes: Sequence[Episode]) -> dict[str, Array]:
    """Return every one of `FIGURES` at each problem; nan where an attempt was not judged.

    The edit-distance ratio needs no verdict, so it is never nan.
    """
    judged = np.array([episode.judged for episode in episodes])
    first = np.array([episode.attempts[0].verdict.correct for episode in episodes], dtype=float)
    last = np.array([episode.attempts[-1].verdict.correct for episode in episodes], dtype=float)
    same = [e.attempts[0].verdict.answer == e.attempts[-1].verdict.answer for e in episodes]
    values = {
        "accuracy_t1": first,
        "accuracy_t2": last,
        "delta": last - first,
        "delta_i_to_c": (1 - first) * last,
        "delta_c_to_i": first * (1 - last),
        "unchanged_answers": np.array(same, dtype=float),
    }
    known = {name: np.where(judged, value, np.nan) for name, value in values.items()}
    ratios = [edit_distance_ratio(e.attempts[0].reply, e.attempts[-1].reply) for e in episodes]
    return {**known, "edit_distance_ratio": np.array(ratios)}


# -- training --------------------------------------------------------------------------------------
def spent(result: MethodResults) -> dict[str, float | None]:
    """Return what a seed took on average; episodes and tokens are None where nobody logged them.

    ``episodes`` and ``tokens`` are of training; ``training_seconds`` is wall-clock, and so is
    ``seconds``, of training, measuring and the samples for scaling together.
    """
    trained = [_spent_training(cell) for cell in result.cells]
    measuring = [cell.seconds.get("measuring", 0.0) for cell in result.cells]
    training = [cell.seconds.get("training", 0.0) for cell in result.cells]
    return {
        "episodes": _mean([episodes for episodes, _ in trained]),
        "tokens": _mean([tokens for _, tokens in trained]),
        "seconds": float(np.mean(training) + np.mean(measuring)),
        "training_seconds": float(np.mean(training)),
    }


def tokens_measured(result: MethodResults, decoding: str) -> dict[str, Any] | None:
    """Return the mean number of tokens of an episode in measuring; None where nobody counted.

    Returns:
        ``episode``, over all turns, and ``turns``, one number for each attempt. What an agent
        spent on a reply counts, be it several generations (`selfcorrect_env.Reply.tokens`).
    """
    seeds = [_tokens(cell.reports[decoding].episodes) for cell in result.cells]
    counted = [turns for turns in seeds if turns is not None]
    if len(counted) < len(seeds):
        return None
    turns = np.mean(counted, axis=0)
    return {"episode": float(turns.sum()), "turns": turns.tolist()}


def _tokens(episodes: Sequence[Episode]) -> Array | None:
    """Return shape (attempts,): the mean number of tokens of each; None where one is unknown."""
    counts = [[attempt.tokens for attempt in episode.attempts] for episode in episodes]
    if any(count is None for row in counts for count in row):
        return None
    return np.array(counts, dtype=float).mean(axis=0)


def _spent_training(result: CellResult) -> tuple[float | None, float | None]:
    if not result.history:
        return (0.0, 0.0) if result.cell.learning() is None else (None, None)
    last = result.history[-1]
    return last.get("episodes"), last.get("tokens")


def curve(history: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return the rows of a training log that the page draws, thinned to `CURVE_POINTS`."""
    count = min(len(history), CURVE_POINTS)
    spans = np.array_split(np.arange(len(history)), count) if count else []
    return [_span([history[i] for i in span]) for span in spans]


def _span(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the means of a span of steps; step, episodes and tokens are those at its end."""
    thinned = {}
    for key in CURVE_KEYS:
        values = [row[key] for row in rows if key in row]
        if values:
            at_end = key in ("step", "episodes", "tokens")
            thinned[key] = values[-1] if at_end else float(np.mean(values))
    return thinned


def final_kl(history: Sequence[Mapping[str, float]], turn: int) -> float | None:
    """Return the mean KL to the base of a turn over the last tenth of a training log.

    It is that of the episodes sampled in training, in nats; None where none was logged.
    """
    values = [row[f"t{turn}/kl"] for row in history if f"t{turn}/kl" in row]
    return float(np.mean(values[-max(1, len(values) // 10) :])) if values else None


def require_one_ground(results: Sequence[MethodResults]) -> None:
    """Raise a CheckpointError unless every cell was measured on the same ground."""
    reports = [report for r in results for c in r.cells for report in c.reports.values()]
    for other in reports[1:]:
        for name in ("fingerprint", "verifier", "prompts", "attempts"):
            ours, theirs = getattr(reports[0].measured, name), getattr(other.measured, name)
            if ours != theirs:
                raise CheckpointError(
                    f"{reports[0].agent!r} and {other.agent!r} cannot be compared: their {name} "
                    f"differ ({ours} and {theirs}). The problem set or the package changed between "
                    "their runs; delete the older cell to make it anew."
                )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
