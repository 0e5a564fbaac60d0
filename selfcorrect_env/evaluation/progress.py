"""The progress bar of every long run, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfcorrect_env.terminal import is_quiet, progress_console

if TYPE_CHECKING:
    from rich.progress import Progress


PERIOD = 600.0
"""Seconds over which the rate and the time left are estimated: steps may be minutes apart."""


def progress_display() -> Progress:
    """Return rich's progress display on stderr: description, bar, count, rate, time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Steps a second, or a minute if they are few."""

        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed or 0.0
            known = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
            return Text(known if rate else "")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=progress_console(),
        disable=is_quiet(),
        speed_estimate_period=PERIOD,
    )
