"""`Sandbox`: programs judged by tests, each in processes of its own that can be killed."""

from __future__ import annotations

import itertools
import os
import queue
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.layers import bare_command, missing_for_strong, works

Isolation = Literal["strong", "basic"]

MEBIBYTE = 2**20
GRACE = 1.0
"""Seconds that the checker has beyond the program's deadline."""

RECYCLED = 1000
"""Programs after which a checker is replaced, so that nothing adds up in it."""

START = 60.0
"""Seconds that a warm process may take to start."""


@dataclass(frozen=True)
class Job:
    """A program and what it is judged by."""

    source: str
    """The program: Python."""
    tests: tuple[str, ...]
    """Pieces of Python, each of which raises if the program is wrong; run in order."""
    names: tuple[str, ...]
    """The names of the program that the tests use."""
    setup: str = ""
    """Python that runs before the tests, on the checker's side."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job."""

    passed: int
    """How many tests ran to their end."""
    total: int
    """How many there are."""
    failed: str = ""
    """What the first test that failed said; "" if none did."""
    timeout: bool = False
    """Whether the deadline ended it."""
    memory: bool = False
    """Whether it asked for more memory than it may have."""
    broken: str = ""
    """What went wrong with the sandbox itself; it then says nothing about the program."""

    @property
    def right(self) -> bool:
        """Whether every test ran to its end."""
        return 0 < self.total == self.passed and not (self.failed or self.timeout or self.broken)


class Sandbox:
    """Warm processes from which programs and their checks are forked.

    A program never runs in the process that judges it: the tests run in another one, and values
    cross as plain data. Safe to use from any number of threads and after a fork.

    Args:
        deadline: seconds of wall clock that a program has, from its own start; > 0.
        workers: programs that run at a time, ≥ 1.
        memory: bytes of address space of a program.
        isolation: ``"strong"`` or ``"basic"`` (see `selfcorrect_env.sandbox.confinement`).

    Raises:
        SandboxError: this machine can't isolate as much as was asked.
    """

    def __init__(
        self,
        *,
        deadline: float = 5.0,
        workers: int = 2,
        memory: int = 512 * MEBIBYTE,
        isolation: Isolation = "strong",
    ) -> None:
        if isolation not in ("strong", "basic"):
            raise ValueError(f"isolation must be 'strong' or 'basic', got {isolation!r}.")
        if not deadline > 0 or workers < 1:
            raise ValueError(
                f"deadline must be above 0 and workers at least 1, got {deadline!r}, {workers!r}."
            )
        reasons = missing_for_strong() if isolation == "strong" else []
        if reasons:
            raise SandboxError(
                f"This machine can't isolate programs as asked (isolation='strong'): "
                f"{'; '.join(reasons)}. Use Linux 5.13 or newer with landlock and seccomp allowed "
                "(in a container, a profile that permits them), or accept that programs can read "
                "and change what you can, with isolation='basic'."
            )
        self.deadline, self.workers = deadline, workers
        self._options = {"strong": isolation == "strong", "memory": memory}
        self._owner = 0
        self._idle: queue.LifoQueue[_Pair | None] = queue.LifoQueue()
        self._lock = threading.Lock()

    def run(self, job: Job) -> Outcome:
        """Judge one program."""
        return self.run_all([job])[0]

    def run_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Judge many, ``workers`` at a time; outcomes in order."""
        self._claim()
        if len(jobs) < 2 or self.workers == 1:
            return [self._run(job) for job in jobs]
        with ThreadPoolExecutor(min(self.workers, len(jobs))) as threads:
            return list(threads.map(self._run, jobs))

    def close(self) -> None:
        """End the idle warm processes; they start again if they are needed."""
        if self._owner != os.getpid():
            return
        for pair in [self._idle.get() for _ in range(self.workers)]:
            if pair is not None:
                pair.close()
            self._idle.put(None)

    def _claim(self) -> None:
        """After a fork the warm processes are the parent's: start anew."""
        with self._lock:
            if self._owner != os.getpid():
                self._owner = os.getpid()
                self._idle = queue.LifoQueue()
                for _ in range(self.workers):
                    self._idle.put(None)

    def _run(self, job: Job) -> Outcome:
        pair = self._idle.get()
        outcome = Outcome(0, len(job.tests), broken="not tried")
        try:
            for _ in range(2):
                try:
                    pair = pair or _Pair(self._options, self.deadline)
                    outcome = pair.run(job)
                except (OSError, ValueError, wire.WireError) as error:
                    outcome = Outcome(
                        0, len(job.tests), broken=f"{type(error).__name__}: {error}"[:300]
                    )
                if pair is not None and (outcome.broken or pair.spent):
                    pair.close()
                    pair = None
                if not outcome.broken:
                    return outcome
            return outcome
        finally:
            self._idle.put(pair)


class _Pair:
    """Two warm processes: one that programs are forked from, and one that checks them."""

    def __init__(self, options: dict[str, Any], deadline: float) -> None:
        self.deadline = deadline
        options = {**options, "core": _next_core()}
        self.zygote = _Process("zygote", {**options, "seconds": deadline})
        self.checker = _Process("checker", options)
        self.jobs = 0

    def run(self, job: Job) -> Outcome:
        """Judge one program; OSError where a warm process has ended."""
        self.jobs += 1
        ours, theirs = socket.socketpair()
        task, line = socket.socketpair()
        with task:
            with ours, theirs, line:
                self.zygote.give(line, theirs)
                self.checker.give(ours)
            wire.send(task.fileno(), job.source)
            self.checker.tell(
                {"setup": job.setup, "tests": list(job.tests), "names": list(job.names)}
            )
            found = self.checker.hear(self.deadline + GRACE)
        self.zygote.control.sendall(b"e")
        ended = self.zygote.hear(START)
        if ended is None:
            raise OSError("a process of the sandbox does not answer")
        total = len(job.tests)
        if found is None:  # what the program returned keeps the tests busy
            self.checker.close()
            return Outcome(0, total, "no verdict in time", timeout=True)
        failed = found["failed"]
        late = bool(failed) and ended["timeout"]
        return Outcome(found["passed"], total, failed, late, "MemoryError" in failed)

    @property
    def spent(self) -> bool:
        """Whether the pair is to be replaced: the checker was ended, or has judged enough."""
        return self.jobs >= RECYCLED or self.checker.process.returncode is not None

    def close(self) -> None:
        """End both processes."""
        self.zygote.close()
        self.checker.close()


def _next_core() -> int | None:
    """Return the processor core of the next pair: those of this process in turn, from any."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[(os.getpid() + next(_pairs)) % len(cores)]


_pairs = itertools.count()


class _Process:
    """A warm process and the socket that it takes jobs over."""

    def __init__(self, module: str, options: dict[str, Any]) -> None:
        self.control, theirs = socket.socketpair()
        self.scratch = tempfile.mkdtemp(prefix="selfcorrect-")
        with theirs:
            settings = {
                **options,
                "control": theirs.fileno(),
                "scratch": self.scratch,
                "namespaces": works("namespaces"),
            }
            self.process = subprocess.Popen(
                bare_command(module, settings),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the owner
                env={},
                cwd="/",
            )
        self._finalizer = weakref.finalize(
            self, _end, self.process, self.control, self.scratch, os.getpid()
        )
        if self.hear(START) is None:
            raise OSError(f"the sandbox's {module} did not start in {START:g} s")

    def give(self, *descriptors: socket.socket) -> None:
        """Start a job with these sockets."""
        socket.send_fds(self.control, [b"j"], [it.fileno() for it in descriptors])

    def tell(self, message: Any) -> None:
        """Send a message."""
        wire.send(self.control.fileno(), message)

    def hear(self, seconds: float) -> Any:
        """Return the process's next message, or None if none has begun after so many seconds.

        Raises:
            OSError: the process has ended.
        """
        if not select.select([self.control], [], [], seconds)[0]:
            return None
        message = wire.receive(self.control.fileno())
        if message is None:
            raise OSError("a process of the sandbox ended")
        return message

    def close(self) -> None:
        """End the process."""
        self._finalizer()


def _end(
    process: subprocess.Popen[bytes], control: socket.socket, scratch: str, owner: int
) -> None:
    control.close()
    if os.getpid() != owner:  # a fork of the owner: the process is not its to end
        return
    process.kill()
    process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
