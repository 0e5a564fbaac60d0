"""Which layers of isolation are in force, found by judging a program with them.

Each layer alone may work while they fail together: where namespaces are refused, for instance, the
program has no folder of its own. So a pair of warm processes judges a program that tries what the
layers forbid. Namespaces are used if the program is judged well with them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from selfcorrect_env.sandbox.jobs import Job
from selfcorrect_env.sandbox.pair import Pair, Settings

HARMLESS = Job("def add(a, b):\n    return a + b", ("assert add(1, 2) == 3",), ("add",))
"""A program that every sandbox judges well."""

MEBIBYTE = 2**20
DEADLINE = 30.0
"""Seconds of the program of a trial."""

_PROBING = Job(
    """
import os, socket
def refused():
    attempts = {
        "reading a file": lambda: open("/etc/passwd"),
        "writing a file": lambda: open("/tmp/selfcorrect-trial", "w"),
        "the network": socket.socket,
        "a new process": os.fork,
        "a signal to another process": lambda: os.kill(os.getppid(), 0),
    }
    open_ = []
    for what, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        open_.append(what)
    return open_
""",
    ("assert refused() == [], f'not refused: {refused()}'",),
    ("refused",),
)


@dataclass(frozen=True)
class Layers:
    """The result of the trials for one level of isolation."""

    namespaces: bool
    """Whether programs run in namespaces of their own."""
    without_namespaces: str = ""
    """Why not; "" if they do."""
    broken: str = ""
    """Why programs cannot be judged at all; "" if they can."""


@functools.cache
def best_layers(*, strong: bool) -> Layers:
    """Judge a program with namespaces, and if that fails without; the result is cached."""
    reason = _trial(strong=strong, namespaces=True)
    if not reason:
        return Layers(namespaces=True)
    return Layers(False, reason, _trial(strong=strong, namespaces=False))


def _trial(*, strong: bool, namespaces: bool) -> str:
    settings = Settings(DEADLINE, 512 * MEBIBYTE, strong=strong, namespaces=namespaces)
    return failure_of(lambda: Pair(settings), probe=strong)


def failure_of(start: Callable[[], Pair], *, probe: bool) -> str:
    """Return why a program is not judged as it should be by such a pair; "" if it is.

    Args:
        start: starts the pair.
        probe: whether the program tries what strong isolation forbids; otherwise it is harmless.
    """
    try:
        pair = start()
    except OSError as error:
        return str(error)
    try:
        return pair.run(_PROBING if probe else HARMLESS).failed
    except OSError as error:
        return str(error)
    finally:
        pair.close()
