"""`Sandbox` runs programs and judges them by tests, in separate processes that can be killed."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.layers import bare_command, missing_for_strong, works

Isolation = Literal["strong", "basic"]

MEBIBYTE = 2**20
GRACE = 1.0
"""Seconds that the checker has after the program's deadline."""

RECYCLE_AFTER = 1000
"""Programs after which a checker is replaced, so that no state accumulates in it."""

START = 60.0
"""Seconds that a warm process may take to start."""


@dataclass(frozen=True)
class Job:
    """A program and the tests that judge it."""

    source: str
    """The program's Python source code."""
    tests: tuple[str, ...]
    """Pieces of Python code, run in order; each raises if the program is wrong."""
    names: tuple[str, ...]
    """The names in the program that the tests use."""
    setup: str = ""
    """Python code that runs before the tests, in the checker."""


@dataclass(frozen=True)
class Outcome:
    """The result of a job."""

    passed: int
    """Number of tests that passed."""
    total: int
    """Number of tests."""
    failed: str = ""
    """The message of the first test that failed; "" if none did."""
    timeout: bool = False
    """Whether the program was stopped at its deadline."""
    memory: bool = False
    """Whether the program exceeded its memory limit."""
    broken: str = ""
    """A failure of the sandbox itself; then the outcome implies nothing about the program."""

    @property
    def right(self) -> bool:
        """Whether every test passed."""
        return 0 < self.total == self.passed and not (self.failed or self.timeout or self.broken)


class Sandbox:
    """Warm processes from which programs and their checks are forked.

    The tests never run in the program's process, and values cross between the two as plain data.
    The sandbox can be used from several threads and after a fork.

    Args:
        deadline: seconds of wall clock per program, from its own start; > 0.
        workers: number of programs that run at the same time, ≥ 1.
        memory: bytes of address space per program.
        isolation: ``"strong"`` or ``"basic"`` (see `selfcorrect_env.sandbox.confinement`).

    Raises:
        SandboxError: this machine does not support the requested isolation.
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
                f"This machine does not support isolation='strong': {'; '.join(reasons)}. "
                "Use Linux 5.13 or newer with landlock and seccomp allowed (in a container, a "
                "profile that permits them), or use isolation='basic', with which programs can "
                "read and change everything that you can."
            )
        self.deadline, self.workers = deadline, workers
        self._options = {"strong": isolation == "strong", "memory": memory}
        self._owner = 0
        self._lock = threading.Lock()
        self._reset_after_fork()

    def run(self, job: Job) -> Outcome:
        """Judge one program."""
        return self.run_all([job])[0]

    def run_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Judge many programs, ``workers`` at a time; return the outcomes in order.

        The jobs run in threads of their own, so an exception in the calling thread, such as
        Ctrl-C, never interrupts an exchange with a warm process. It abandons the jobs instead.
        """
        self._reset_after_fork()
        tickets = [_Ticket(job) for job in jobs]
        futures = []
        try:
            for ticket in tickets:
                futures.append(self._threads.submit(self._run, ticket))
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            for ticket in tickets:
                ticket.abandon()
            raise

    def close(self) -> None:
        """Kill the idle warm processes; they start again when needed."""
        if self._owner != os.getpid():
            return
        while (pair := self._take()) is not None:
            pair.close()

    def _reset_after_fork(self) -> None:
        """Start new warm processes after a fork: the inherited ones belong to the parent."""
        with self._lock:
            if self._owner != os.getpid():
                self._owner = os.getpid()
                self._idle: list[_Pair] = []
                self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox")

    def _take(self) -> _Pair | None:
        """Take the pair that was used last; None if no pair is idle."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _run(self, ticket: _Ticket) -> Outcome:
        """Judge one program in a thread of the pool, on a second pair if the first one fails."""
        job = ticket.job
        outcome = Outcome(0, len(job.tests), broken="not run")
        for _ in range(2):
            pair = None
            try:
                pair = self._take() or _Pair(self._options, self.deadline)
                with ticket.on(pair):
                    outcome = pair.run(job)
            except (OSError, ValueError, wire.WireError) as error:
                reason = f"{type(error).__name__}: {error}"[:300]
                outcome = Outcome(0, len(job.tests), broken=reason)
            except BaseException:
                if pair is not None:
                    pair.close()
                raise
            if pair is not None:
                if outcome.broken or pair.must_be_replaced:
                    pair.close()
                else:
                    self._idle.append(pair)
            if not outcome.broken or ticket.abandoned:
                break
        return outcome


class _Ticket:
    """A job that one thread runs and another one may abandon."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.abandoned = False
        self._pair: _Pair | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def on(self, pair: _Pair) -> Iterator[None]:
        """Let `abandon` kill this pair while the block runs.

        Raises:
            OSError: the job was abandoned.
        """
        with self._lock:
            if self.abandoned:
                raise InterruptedError("the job was abandoned")
            self._pair = pair
        try:
            yield
        finally:
            with self._lock:
                self._pair = None
                abandoned = self.abandoned
        if abandoned:
            raise InterruptedError("the job was abandoned")

    def abandon(self) -> None:
        """Kill the pair that runs the job, if one does: nobody waits for the outcome."""
        with self._lock:
            self.abandoned = True
            if self._pair is not None:
                self._pair.kill()


class _Pair:
    """Two warm processes: one from which programs are forked, and one that checks them."""

    def __init__(self, options: dict[str, Any], deadline: float) -> None:
        self.deadline = deadline
        options = {**options, "core": _next_core()}
        self.zygote = _Process("zygote", {**options, "seconds": deadline})
        self.checker = _Process("checker", options)
        self.jobs = 0

    def run(self, job: Job) -> Outcome:
        """Judge one program; raise OSError if a warm process has ended."""
        self.jobs += 1
        number = next(_jobs).to_bytes(wire.JOB_SIZE, "big")
        ours, theirs = socket.socketpair()
        task, line = socket.socketpair()
        with task:
            with ours, theirs, line:
                self.zygote.start_job(number, line, theirs)
                self.checker.start_job(number, ours)
            wire.send(task.fileno(), job.source)
            self.checker.send(
                {"setup": job.setup, "tests": list(job.tests), "names": list(job.names)}
            )
            found = self.checker.receive(self.deadline + GRACE, number)
        self.zygote.control.sendall(number)
        ended = self.zygote.receive(START, number)
        if ended is None:
            raise OSError("a process of the sandbox does not respond")
        total = len(job.tests)
        if found is None:  # a value that the program returned keeps the tests running
            self.checker.close()
            return Outcome(0, total, "no verdict in time", timeout=True)
        failed = found["failed"]
        late = bool(failed) and ended["timeout"]
        return Outcome(found["passed"], total, failed, late, "MemoryError" in failed)

    @property
    def must_be_replaced(self) -> bool:
        """Whether to replace the pair: the checker was killed, or has judged enough programs."""
        return self.jobs >= RECYCLE_AFTER or self.checker.process.returncode is not None

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
_jobs = itertools.count(1)


class _Process:
    """A warm process and the socket over which it receives jobs."""

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
                start_new_session=True,  # Ctrl-C must reach the owner only
                env={},
                cwd="/",
            )
        self._finalizer = weakref.finalize(
            self, _end, self.process, self.control, self.scratch, os.getpid()
        )
        if self.receive(START) is None:
            raise OSError(f"the sandbox's {module} did not start in {START:g} s")

    def start_job(self, number: bytes, *descriptors: socket.socket) -> None:
        """Start the job ``number`` with these sockets."""
        socket.send_fds(self.control, [number], [it.fileno() for it in descriptors])

    def send(self, message: Any) -> None:
        """Send a message."""
        wire.send(self.control.fileno(), message)

    def receive(self, seconds: float, number: bytes = b"") -> Any:
        """Return the process's next message, or None if none starts within ``seconds``.

        Raises:
            OSError: the process has ended, or the message belongs to another job.
        """
        if not select.select([self.control], [], [], seconds)[0]:
            return None
        message = wire.receive(self.control.fileno())
        if message is None:
            raise OSError("a process of the sandbox ended")
        if message.get("job") != number.hex():
            raise OSError("a process of the sandbox answered for another job")
        return message

    def close(self) -> None:
        """Kill the process."""
        self._finalizer()


def _end(
    process: subprocess.Popen[bytes], control: socket.socket, scratch: str, owner: int
) -> None:
    control.close()
    if os.getpid() != owner:  # in a fork of the owner: the process belongs to the parent
        return
    process.kill()
    process.wait()
    shutil.rmtree(scratch, ignore_errors=True)
