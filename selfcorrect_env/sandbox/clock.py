"""How long a program took, not counting the time that it waited for a processor.

A deadline in wall-clock time makes verdicts depend on what else the machine does; processor time
alone lets a program sleep for ever. The kernel counts how long each runnable process waits for a
processor (``/proc/PID/schedstat``, the second number, in ns). Wall-clock time less this is the time
that the program would take on an idle machine, its sleeping included.

Where the kernel does not count it (other systems, kernels without ``CONFIG_SCHED_INFO``), a
deadline is one of wall-clock time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

FAR = 20.0
"""A program is stopped after this many times its deadline in wall-clock time, however busy the
machine is."""


class Stopwatch:
    """Measures the time since its creation in which none of some processes waited for a processor.

    Args:
        processes: the processes that already run; those that the program starts are named later.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self.start = time.monotonic()
        self._earlier = {process: waited(process) for process in processes}

    @property
    def wall(self) -> float:
        """Seconds of wall clock."""
        return time.monotonic() - self.start

    def seconds(self, started: Iterable[int]) -> float:
        """Return the seconds without waiting; ``started``: processes that began after creation."""
        known = {**dict.fromkeys(started, 0.0), **self._earlier}
        waits = (max(0.0, waited(process) - earlier) for process, earlier in known.items())
        return max(0.0, self.wall - sum(waits))


def waited(process: int) -> float:
    """Return how many seconds a process was runnable without running; 0.0 if that is not known."""
    try:
        with open(f"/proc/{process}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def children(process: int) -> list[int]:
    """Return the processes that a process started and that have not ended; [] if not known."""
    with (
        contextlib.suppress(OSError, ValueError),
        open(f"/proc/{process}/task/{process}/children", "rb") as file,
    ):
        return [int(word) for word in file.read().split()]
    return []
