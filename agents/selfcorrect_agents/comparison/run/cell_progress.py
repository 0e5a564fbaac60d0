"""How far a running cell is, read from the files that it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from selfcorrect_agents.comparison.plan.cells import Cell
from selfcorrect_agents.comparison.results.sampling import count_samples
from selfcorrect_agents.training.method_lookup import Budgeted
from selfcorrect_env.evaluation import EPISODES_FILE

TAIL = 1 << 16
"""Bytes at the end of a log that hold its last row."""


@dataclass(frozen=True)
class CellProgress:
    """What a cell is at, and how far."""

    phase: str
    """"starting", "training", "sampled", "greedy" or "scaling"."""
    done: int
    """Episodes played in it (training steps where a method does not log its episodes)."""
    total: int | None
    """Episodes in all; None where nobody knows."""
    note: str = ""
    """Newest accuracies in training, such as "41% → 63%"."""


def progress_of(cell: Cell, place: Path) -> CellProgress:
    """Return how far the cell is whose folder is ``place``."""
    if cell.scaling is not None and (place / "scaling").exists():
        total = cell.scaling.problems * cell.scaling.samples
        return CellProgress("scaling", count_samples(place / "scaling"), total)
    for decoding in reversed(cell.decodings):
        path = place / decoding / EPISODES_FILE
        if path.exists():
            return CellProgress(decoding, path.read_bytes().count(b"\n"), cell.problems)
    row = last_row(place / "run" / "metrics.jsonl")
    if row is None:
        return CellProgress("starting", 0, None)
    turns = sorted(key for key in row if key.endswith("/accuracy"))
    note = " → ".join(f"{100 * row[key]:.0f}%" for key in turns)
    if "episodes" in row:
        learning = cell.learning()
        total = learning.episodes if isinstance(learning, Budgeted) else None
        return CellProgress("training", int(row["episodes"]), total, note)
    return CellProgress("training", int(row["step"]), None, note)


def last_row(path: Path) -> dict[str, float] | None:
    """Return the last whole row of a run's metrics.jsonl; None where there is none yet."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL))
        lines = file.read().split(b"\n")[:-1]  # what follows the last newline is half a row
    return json.loads(lines[-1]) if lines and lines[-1] else None
