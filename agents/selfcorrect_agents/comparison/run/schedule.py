"""Run the cells that a folder lacks, several at a time, each in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selfcorrect_agents.comparison.plan.cells import Cell, is_done, require_same, write_identity
from selfcorrect_agents.comparison.run.cell_progress import CellProgress, progress_of

POLL = 0.2
"""Seconds between two checks of the running cells."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Failure:
    """A cell whose process ended with an error."""

    cell: Cell
    status: int
    """The process's exit status; below 0 the signal that killed it."""
    log: Path
    """The file with the process's output."""
    last_line: str
    """The last line of it."""

    def __str__(self) -> str:
        return f"{self.cell.name} failed (status {self.status}): {self.last_line} See {self.log}."


class Watcher(Protocol):
    """Receives the events of `run_cells`."""

    def started(self, cell: Cell) -> None:
        """A cell's process has started."""
        ...

    def progressed(self, cell: Cell, progress: CellProgress) -> None:
        """A running cell has made progress; called several times a second."""
        ...

    def ended(self, cell: Cell, failure: Failure | None) -> None:
        """A cell has finished or failed."""
        ...

    def stopping(self, running: int) -> None:
        """Ctrl-C was pressed: ``running`` cells are asked to stop, and waited for."""
        ...


def missing_cells(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """Return the cells that are not finished in ``folder``.

    Raises:
        CheckpointError: the folder has one of them with other settings.
    """
    for cell in cells:
        require_same(cell, folder)
    return [cell for cell in cells if not is_done(cell, folder)]


def run_cells(cells: Sequence[Cell], folder: Path, *, jobs: int, watcher: Watcher) -> list[Failure]:
    """Run cells, ``jobs`` at a time; an interrupted one resumes.

    A cell that fails does not stop the others. Ctrl-C asks the running ones to stop: a training
    run finishes its step and writes a checkpoint first. A second Ctrl-C kills them.

    Args:
        cells: the cells to run (`missing_cells`).
        folder: the comparison's folder.
        jobs: how many run at a time.
        watcher: receives the events.

    Returns:
        The cells that failed; the same call tries them again.

    Raises:
        KeyboardInterrupt: after the running cells have stopped.
    """
    waiting = list(cells)
    running: dict[str, tuple[Cell, subprocess.Popen[bytes]]] = {}
    failures: list[Failure] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                running[cell.folder] = cell, _start(cell, folder)
                watcher.started(cell)
            time.sleep(POLL)
            for cell, process in list(running.values()):
                watcher.progressed(cell, progress_of(cell, folder / cell.folder))
                if process.poll() is None:
                    continue
                del running[cell.folder]
                _stop([process])
                failure = _failure(cell, process.returncode, folder)
                failures += [failure] if failure else []
                watcher.ended(cell, failure)
    finally:
        if running:
            watcher.stopping(len(running))
        _stop([process for _, process in running.values()])
    return failures


def _start(cell: Cell, folder: Path) -> subprocess.Popen[bytes]:
    """Start the cell's process. Its standard input stays open for as long as it may run."""
    path = folder / cell.folder
    write_identity(cell, path, "cell.json")
    with (path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "selfcorrect_agents.comparison.run.worker"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
            start_new_session=True,  # Ctrl-C reaches this process only, which asks them to stop
        )
    task = {"cell": dataclasses.asdict(cell), "folder": str(path)}
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it has ended already: see its status
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
    return process


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    try:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()
        raise
    finally:
        for process in processes:
            process.wait()


def _failure(cell: Cell, status: int, folder: Path) -> Failure | None:
    if status == 0:
        return None
    log = folder / cell.folder / "log.txt"
    lines = log.read_text(errors="replace").strip().splitlines() or ["no output."]
    return Failure(cell, status, log, lines[-1])
