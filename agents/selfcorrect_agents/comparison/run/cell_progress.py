"""The progress of a running cell, read from the files that it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from selfcorrect_agents.comparison.plan.cells import Cell
from selfcorrect_agents.comparison.results.sampling import count_samples
from selfcorrect_agents.training.method_lookup import Budgeted
from selfcorrect_agents.training.progress import accuracy_keys
from selfcorrect_env.evaluation import EPISODES_FILE

TAIL = 1 << 16
"""Bytes at the end of a log that include its last row."""


@dataclass(frozen=True)
class CellProgress:
    """The phase that a cell is in, and how far it is."""

    phase: str
    """"starting", "training", "sampled", "greedy" or "scaling"."""
    done: int
    """Episodes played in it (training steps if the method does not log its episodes)."""
    total: int | None
    """Episodes in all; None if unknown."""
    note: str = ""
    """Latest training accuracies of all turns, such as "41% → 63%"."""


def progress_of(cell: Cell, folder: Path) -> CellProgress:
    """Return the progress of the cell in ``folder``."""
    if cell.scaling is not None and (folder / "scaling").exists():
        total = cell.scaling.n * cell.scaling.samples
        return CellProgress("scaling", count_samples(folder / "scaling"), total)
    for decoding in reversed(cell.decodings):
        path = folder / decoding / EPISODES_FILE
        if path.exists():
            return CellProgress(decoding, path.read_bytes().count(b"\n"), cell.n)
    row = last_row(folder / "run" / "metrics.jsonl")
    if row is None:
        return CellProgress("starting", 0, None)
    note = " → ".join(f"{100 * row[key]:.0f}%" for key in accuracy_keys(row))
    if "episodes" in row:
        learning = cell.learning()
        total = learning.episodes if isinstance(learning, Budgeted) else None
        return CellProgress("training", int(row["episodes"]), total, note)
    return CellProgress("training", int(row["step"]), None, note)


def last_row(path: Path) -> dict[str, float] | None:
    """Return the last complete row of a run's metrics.jsonl; None if there is none yet."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL))
        lines = file.read().split(b"\n")[:-1]  # after the last newline is an incomplete row
    return json.loads(lines[-1]) if lines and lines[-1] else None
