"""Run the cells that a folder lacks, in a few processes that take one cell after another."""

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
    """A cell that ended its process with an error."""

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
        """A cell has started."""
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

    A cell that fails ends its process and does not stop the others: the next cell gets a new
    process. Ctrl-C asks the running ones to stop: a training run finishes its step and writes a
    checkpoint first. A second Ctrl-C kills them.

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
    workers: list[Worker] = []
    failures: list[Failure] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(Worker(waiting.pop(0), folder))
                watcher.started(workers[-1].cell)
            time.sleep(POLL)
            for worker in list(workers):
                cell, status = worker.cell, worker.process.poll()
                watcher.progressed(cell, progress_of(cell, folder / cell.folder))
                if is_done(cell, folder):
                    watcher.ended(cell, None)
                elif status is not None:
                    failures.append(_failure(cell, status, folder))
                    watcher.ended(cell, failures[-1])
                else:
                    continue
                if waiting and status is None:
                    worker.run(waiting.pop(0), folder)
                    watcher.started(worker.cell)
                else:
                    workers.remove(worker)
                    _stop([worker.process])
    finally:
        if workers:
            watcher.stopping(len(workers))
        _stop([worker.process for worker in workers])
    return failures


class Worker:
    """A process that runs cells, one after another. Its standard input stays open meanwhile.

    Args:
        cell: the first cell.
        folder: the comparison's folder.
    """

    def __init__(self, cell: Cell, folder: Path) -> None:
        with _log(cell, folder).open("wb") as log:  # until the process opens it itself
            self.process = subprocess.Popen(
                [sys.executable, "-m", "selfcorrect_agents.comparison.run.worker"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
                start_new_session=True,  # Ctrl-C reaches this process only, which asks it to stop
            )
        self.run(cell, folder)

    def run(self, cell: Cell, folder: Path) -> None:
        """Give the process its next cell; its output goes to the cell's log from then on."""
        self.cell = cell
        write_identity(cell, folder / cell.folder, "cell.json")
        _log(cell, folder).write_bytes(b"")
        task = {"cell": dataclasses.asdict(cell), "folder": str(folder / cell.folder)}
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended already: see its status
                self.process.stdin.write(json.dumps(task).encode() + b"\n")
                self.process.stdin.flush()


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    try:
        for process in processes:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):  # what it did not read is lost with it
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


def _failure(cell: Cell, status: int, folder: Path) -> Failure:
    log = _log(cell, folder)
    lines = log.read_text(errors="replace").strip().splitlines() or ["no output."]
    return Failure(cell, status, log, lines[-1])


def _log(cell: Cell, folder: Path) -> Path:
    """Return the file with the output of a cell, whose folder is made."""
    (folder / cell.folder).mkdir(parents=True, exist_ok=True)
    return folder / cell.folder / "log.txt"
