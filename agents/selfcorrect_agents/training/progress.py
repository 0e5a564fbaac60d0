"""The terminal output of a training run, and its handling of Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from signal import SIGINT, SIGTERM
from types import FrameType
from typing import TypeAlias

from selfcorrect_env import is_quiet, progress_console

MetricsRow: TypeAlias = dict[str, float]
"""One step's metrics by key."""

GREEDY, SAMPLED = "eval", "eval_sampled"
"""What the keys of metrics on held-out problems begin with, by how replies were drawn."""

SAME_WEIGHTS = "train/same_weights"
"""The key, 1, of a step that left the weights as they were: it only gathered, or was skipped."""

CUT_OFF_LIMIT = 0.5
"""Share of replies cut off by the token cap above which the terminal warns."""


def accuracy_keys(metrics: Mapping[str, float]) -> list[str]:
    """Return the keys ``t1/accuracy``, ``t2/accuracy`` … of a row of metrics, in order of turns."""
    return _turn_keys(metrics, "accuracy")


def cut_off(metrics: Mapping[str, float]) -> float:
    """Return the share of a step's replies, in [0, 1], that the token cap cut off."""
    shares = [metrics[key] for key in _turn_keys(metrics, "truncated")]
    return sum(shares) / len(shares) if shares else 0.0


def cut_off_warning(share: float) -> str:
    """Return the warning that a share of replies, in [0, 1], was cut off."""
    return (
        f"{100 * share:.0f}% of the replies are cut off by the token cap, and an answer that comes "
        "last is not read: raise --max-new-tokens."
    )


def _turn_keys(metrics: Mapping[str, float], name: str) -> list[str]:
    matches = [re.fullmatch(rf"t(\d+)/{name}", key) for key in metrics]
    return [found[0] for found in sorted(filter(None, matches), key=lambda found: int(found[1]))]


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a flag; yields the function that reads it, to be called after each step.

    So is SIGTERM, by which batch systems and containers stop a job. Before the function's first
    call there is no finished step to save, so Ctrl-C stops at once; so does a second one. Outside
    the main thread, where Python can't handle signals, the flag stays false.
    """
    process, asked = os.getpid(), list[int]()
    finished: list[bool] = []

    def handle_as_before() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def remember(number: int, frame: FrameType | None) -> None:
        handle_as_before()  # the second one stops at once
        if os.getpid() != process:  # a fork of it, which this handler was not meant for
            signal.raise_signal(number)
            return
        if not finished:
            raise KeyboardInterrupt
        asked.append(number)
        print(
            "\nselfcorrect: stopping after this step; Ctrl-C again stops at once.",
            file=sys.stderr,
            flush=True,
        )

    def stopping() -> bool:
        finished.append(True)
        return bool(asked)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, remember) for number in (SIGINT, SIGTERM)}
    try:
        yield stopping
    finally:
        handle_as_before()


@contextmanager
def progress_bar(shown: bool, total: int, done: int) -> Iterator[Callable[[int, MetricsRow], None]]:
    """Show a bar of training steps; yields ``update(step, metrics)``.

    It also shows, and warns once, if more than half of a step's replies were cut off.
    """
    if not shown:
        yield lambda step, metrics: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_console(), disable=is_quiet()) as bar:
        task = bar.add_task("training", total=total, completed=done)
        warned: list[bool] = []

        def update(step: int, metrics: MetricsRow) -> None:
            bar.update(task, completed=step, description=_described(metrics))
            if cut_off(metrics) > CUT_OFF_LIMIT and not warned:
                warned.append(True)
                text = f"selfcorrect: warning: step {step}: {cut_off_warning(cut_off(metrics))}"
                bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield update


def _described(metrics: MetricsRow) -> str:
    shares = " → ".join(f"{100 * metrics[key]:.0f}%" for key in accuracy_keys(metrics))
    cut = f" · {100 * cut_off(metrics):.0f}% cut off" if cut_off(metrics) > CUT_OFF_LIMIT else ""
    unjudged = metrics.get("train/unjudged_share", 0.0)
    failed = f" · {100 * unjudged:.0f}% not judged" if unjudged else ""
    return f"training · right {shares or '–'}{cut}{failed}"
