"""What a long run shows and listens to: a progress bar, and Ctrl-C."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from selfcorrect_env.evaluation import progress_display

Figures: TypeAlias = dict[str, float]
"""One step's figures by key."""


def accuracy_keys(figures: Mapping[str, float]) -> list[str]:
    """Return the keys ``t1/accuracy``, ``t2/accuracy`` … that the figures hold, in order."""
    return sorted(key for key in figures if re.fullmatch(r"t\d+/accuracy", key))


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; yields the function that reads it.

    Outside the main thread, where Python can't handle signals, it never becomes true.
    """
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)  # the second one stops at once

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress_bar(shown: bool, total: int, done: int) -> Iterator[Callable[[int, Figures], None]]:
    """Show a bar of training steps; yields ``update(step, figures)``."""
    if not shown:
        yield lambda step, figures: None
        return
    with progress_display() as bar:
        task = bar.add_task("training", total=total, completed=done)

        def update_bar(step: int, figures: Figures) -> None:
            shares = " → ".join(f"{100 * figures[key]:.0f}%" for key in accuracy_keys(figures))
            bar.update(task, completed=step, description=f"training · right {shares}")

        yield update_bar
