"""A pair of warm processes that judges one program after another.

The *zygote* forks a process for each program; the *checker* runs the tests and sends their calls to
that process. This module decides how long both may take, and what the end of each implies.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selfcorrect_env.sandbox import standard_streams, wire
from selfcorrect_env.sandbox.clock import FAR, Stopwatch, children
from selfcorrect_env.sandbox.jobs import Job, Outcome
from selfcorrect_env.sandbox.packages import FOR_TESTS, locate
from selfcorrect_env.sandbox.process import JudgeError, WarmProcess

GRACE = 0.5
"""Seconds that the checker has after the program's deadline."""
CLEANING = 5.0
"""Seconds that a zygote has to end a program and to delete its files."""
RECYCLE_AFTER = 1000
"""Programs after which a pair is replaced, so that no state accumulates in it."""
LARGE = 1 / 4
"""Share of its memory limit from which a killed program is taken to be killed for its memory."""


@dataclass(frozen=True)
class Settings:
    """What a pair needs to know.

    Args:
        deadline: seconds per program, without waiting for a processor.
        memory: bytes of address space per program.
        strong: whether programs are isolated strongly.
        namespaces: whether programs run in namespaces of their own.
        confined_checker: whether landlock confines the checker; None if as programs.
        packages: installed packages that programs may import.
    """

    deadline: float
    memory: int
    strong: bool
    namespaces: bool
    confined_checker: bool | None = None
    packages: tuple[str, ...] = ()


class Pair:
    """Two warm processes: one from which programs are forked, and one that checks them.

    Args:
        settings: what programs may do.
        start_zygote: starts the first of them elsewhere than here.

    Raises:
        JudgeError: one of them did not start.
    """

    def __init__(
        self,
        settings: Settings,
        start_zygote: Callable[[str, dict[str, Any]], WarmProcess] | None = None,
    ) -> None:
        self.settings = settings
        self.worn_out = False
        """Whether the pair must not be used again."""
        options = {
            "strong": settings.strong,
            "namespaces": settings.namespaces,
            "memory": settings.memory,
            "seconds": settings.deadline,
            "core": _next_core(),
            "packages": locate(settings.packages),
            "test_packages": locate(FOR_TESTS),
        }
        if start_zygote is None:
            self.zygote = WarmProcess("zygote", options, own_folder=not settings.strong)
        else:
            self.zygote = start_zygote("zygote", options)
        if settings.confined_checker is not None:
            options["strong"] = settings.confined_checker
        try:
            self.checker = WarmProcess("checker", options)
        except BaseException:
            self.zygote.close()
            raise
        inner = children(self.zygote.process.pid) if settings.namespaces else []
        self._zygote = inner[0] if inner else self.zygote.process.pid
        self._jobs = 0

    def run(self, job: Job) -> Outcome:
        """Judge one program.

        Raises:
            JudgeError: a process of the pair ended, or another process killed the program, so
                nothing is known of it. The pair must not be used again.
        """
        self._jobs += 1
        self.worn_out = self._jobs >= RECYCLE_AFTER
        number = next(_numbers).to_bytes(wire.JOB_SIZE, "big")
        if job.stdin is not None:
            return self._run_script(job.source, job.stdin, number)
        self._start(job, number)
        watch = Stopwatch([self.checker.process.pid, self._zygote])
        found = self._wait(watch, number, self.settings.deadline)
        timeout = found is None
        gone = not timeout and found.get("gone", False)
        end = self._end_program(number, gone=gone)
        if timeout:
            found = self._wait(watch, number, self.settings.deadline + GRACE)
        if found is None:  # the checker is busy with a value that the program returned
            self.worn_out = True
            return Outcome(0, len(job.tests), "no verdict in time", timeout=True)
        return self._outcome(job, found, end, timeout=timeout)

    def _start(self, job: Job, number: bytes) -> None:
        ours, theirs = socket.socketpair()
        task, line = socket.socketpair()
        try:
            with task:
                with ours, theirs, line:
                    self.zygote.start_job(number, line, theirs)
                    self.checker.start_job(number, ours)
                wire.send(task.fileno(), [job.source, job.names])
                self.checker.send(
                    {
                        "setup": job.setup,
                        "tests": job.tests,
                        "names": job.names,
                        "classes": job.classes,
                    }
                )
        except OSError as error:
            raise self._not_started(error) from None

    def _not_started(self, error: OSError) -> JudgeError:
        for process in (self.zygote, self.checker):
            if process.process.poll() is not None:
                return process.ended()
        return JudgeError(f"the program's process did not start: {error}")

    def _run_script(self, source: str, stdin: str, number: bytes) -> Outcome:
        """Run a program as a script, and return what it printed and how it ended."""
        ours, theirs = socket.socketpair()
        task, line = socket.socketpair()
        with task, ours:
            try:
                with theirs, line:
                    self.zygote.start_job(number, line, theirs)
                standard_streams.submit(task, source, stdin)
            except OSError as error:
                raise self._not_started(error) from None
            watch = Stopwatch([self._zygote])
            streams = standard_streams.exchange(task, ours, lambda: self._left(watch))
            end = self._end_program(number, gone=streams.closed)
        late = streams.late or (end["signal"] == 9 and end["cpu"] >= self.settings.deadline)
        if end["signal"] == 9 and not late:
            raise self._killed(end)
        failed = standard_streams.failure(streams, end, late=late)
        return Outcome(0, 0, failed, late, failed.startswith("MemoryError"), output=streams.output)

    def _left(self, watch: Stopwatch) -> float:
        """Return the seconds that the program may still take, as far as is known now."""
        deadline = self.settings.deadline
        left = deadline - watch.seconds(children(self._zygote))
        return min(left, FAR * deadline - watch.wall)

    def _wait(self, watch: Stopwatch, number: bytes, deadline: float) -> Any:
        """Return the checker's verdict, or None if there is none at the deadline."""
        left = deadline
        while True:
            found = self.checker.receive(max(0.0, left), number)
            if found is not None:
                return found
            left = deadline - watch.seconds(children(self._zygote))
            left = min(left, FAR * deadline - watch.wall)
            if left <= 0:
                return self.checker.receive(0, number)
            left = max(left, 0.01)

    def _end_program(self, number: bytes, *, gone: bool) -> dict[str, Any]:
        """Let the zygote end the program; return how it ended.

        Unless the verdict depends on how the program went (``gone``), a zygote that fails now
        changes nothing about it.
        """
        try:
            self.zygote.control.sendall(number + (b"g" if gone else b"e"))
            end = self.zygote.receive(CLEANING, number)
            if end is None:
                raise JudgeError("the sandbox's zygote did not end a program in time")
            return end
        except (OSError, JudgeError) as error:
            self.worn_out = True
            if not gone:
                return {"signal": 0, "exit": None, "cpu": 0.0, "memory": 0}
            if isinstance(error, JudgeError):
                raise
            raise self.zygote.ended() from None

    def _outcome(
        self, job: Job, found: dict[str, Any], end: dict[str, Any], *, timeout: bool
    ) -> Outcome:
        failed = found["failed"]
        if failed and found.get("gone", False) and end["signal"] == 9:
            if end["cpu"] >= self.settings.deadline:  # the kernel's limit of processor time
                timeout = True
            else:
                raise self._killed(end)
        memory = "MemoryError" in failed
        return Outcome(
            found["passed"],
            len(job.tests),
            failed,
            timeout and bool(failed),
            memory,
            cause=str(found["cause"]),
        )

    def _killed(self, end: dict[str, Any]) -> JudgeError:
        large = end["memory"] >= LARGE * self.settings.memory
        message = f"the program's process was killed with {end['memory'] >> 20} MiB in use"
        return JudgeError(message, killed=True, large=large)

    def kill(self) -> None:
        """Kill both processes; may be called while another thread uses the pair."""
        self.zygote.process.kill()
        self.checker.process.kill()

    def close(self) -> None:
        """Kill both processes and free what they used."""
        self.zygote.close()
        self.checker.close()


def _next_core() -> int | None:
    """Return the processor core of the next pair, cycling through those of this process."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[(os.getpid() + next(_pairs)) % len(cores)]


_pairs = itertools.count()
_numbers = itertools.count(1)
