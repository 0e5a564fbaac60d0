"""Progress bars in the terminal: one for each running cell, one for all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from typing_extensions import Self

from selfcorrect_agents.comparison.plan.cells import Cell
from selfcorrect_agents.comparison.results.formats import clock
from selfcorrect_agents.comparison.run.cell_progress import CellProgress
from selfcorrect_agents.comparison.run.schedule import Failure
from selfcorrect_env import is_quiet, progress_console


class CellBars:
    """A `Watcher` that draws on stderr: a context manager.

    Args:
        cells: those that will run.
        done: how many were finished before.
    """

    def __init__(self, cells: Sequence[Cell], done: int = 0) -> None:
        self._console = progress_console()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            disable=is_quiet(),
        )
        total = len(cells) + done
        self._all = self._bars.add_task("cells", total=total, completed=done, note="")
        self._shown: dict[str, tuple[TaskID, str]] = {}
        self._begun: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def started(self, cell: Cell) -> None:
        """Draw a bar for a cell."""
        self._begun[cell.folder] = time.monotonic()
        self._show(cell, "starting")

    def progressed(self, cell: Cell, progress: CellProgress) -> None:
        """Move a cell's bar; a new phase has a new one."""
        task, phase = self._shown[cell.folder]
        if phase != progress.phase:
            self._bars.remove_task(task)
            task = self._show(cell, progress.phase)
        self._bars.update(task, completed=progress.done, total=progress.total, note=progress.note)

    def ended(self, cell: Cell, failure: Failure | None) -> None:
        """Replace a cell's bar by a line that stays."""
        task, _ = self._shown.pop(cell.folder)
        self._bars.remove_task(task)
        took = clock(time.monotonic() - self._begun[cell.folder])
        line = f"{cell.name}: done in {took}" if failure is None else str(failure)
        if failure is not None or not is_quiet():
            self._console.print(Text(line, style="" if failure is None else "red"))
        self._bars.advance(self._all)

    def stopping(self, running: int) -> None:
        """Print that running cells are waited for."""
        self._console.print(
            Text(
                f"Stopping: waiting for {running} running "
                f"{'cell' if running == 1 else 'cells'} to write a checkpoint; "
                "Ctrl-C again kills them."
            )
        )

    def _show(self, cell: Cell, phase: str) -> TaskID:
        description = f"{cell.name} · {phase}"
        task = self._bars.add_task(description, total=None, note="")
        self._shown[cell.folder] = task, phase
        return task
