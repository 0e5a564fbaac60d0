"""Worker processes that can be killed: for work that may hang, crash or eat the memory.

A `WorkerPool` serves one function. It may be called from any number of threads, from
asyncio (`asyncio.to_thread`) and after a fork: a forked child starts workers of its own.
Workers are plain subprocesses (not `multiprocessing`: nobody's ``__main__`` is imported
again), start with the first call, and end with the pool, or with the process that owns it,
however that ends.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, BinaryIO, cast

from selfcorrect_env.verifiers.workers.worker import receive, send

MEBIBYTE = 2**20


class Status(str, Enum):
    """How a call ended."""

    DONE = "done"
    """The function returned."""
    TIMEOUT = "timeout"
    """It ran past its deadline."""
    MEMORY = "memory"
    """It wanted more memory than a worker may have."""
    DIED = "died"
    """It took its worker down, twice."""
    RAISED = "raised"
    """It raised."""
    UNAVAILABLE = "unavailable"
    """No worker could be started. This says nothing about the call."""


@dataclass(frozen=True)
class Outcome:
    """What came of one call."""

    status: Status
    value: Any = None
    """What the function returned, where it did."""
    detail: str = ""
    """One line for people, where it did not."""
    again: bool = False
    """Whether another try may end otherwise: the worker ended without a word."""


class WorkerPool:
    """A bounded number of processes that run one function with a deadline for each call.

    Args:
        function: ``"module:name"``. Its arguments and its result must be JSON values.
        workers: the number of processes; by default one for each usable core, at most four.
        memory: address space of one worker, in bytes (not enforced on macOS and Windows).
        start_limit: seconds that a worker may take to start. Imports fall under this limit,
            never under a call's deadline.
        calls: after so many calls a worker is replaced, which bounds what caches can hold.

    Raises:
        ValueError: ``workers`` is below 1.
    """

    def __init__(
        self,
        function: str,
        *,
        workers: int | None = None,
        memory: int = 2048 * MEBIBYTE,
        start_limit: float = 60.0,
        calls: int = 5_000,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        self.size = workers or min(4, usable_cores())
        self._command = [sys.executable, "-m", receive.__module__, function, str(memory)]
        self._start_limit = start_limit
        self._calls = calls
        self._workers: set[_Worker] = set()
        self._forget()
        _POOLS.add(self)
        weakref.finalize(self, _kill_all, self._workers)

    def run(self, *arguments: Any, deadline: float) -> Outcome:
        """Call the function in a worker and wait for the outcome.

        The deadline (seconds) is counted from the moment at which a worker that is up takes the
        call: neither waiting for a free worker nor its start count. A call that takes its
        worker down is tried once more, since something else may have killed it.
        """
        request = {"arguments": arguments, "deadline": deadline}
        outcome = self._run(request)
        return self._run(request) if outcome.again else outcome

    def run_all(self, calls: Sequence[tuple[Any, ...]], *, deadline: float) -> list[Outcome]:
        """Make many calls on all workers at once; ``result[i]`` is the outcome of ``calls[i]``."""
        if len(calls) < 2:
            return [self.run(*arguments, deadline=deadline) for arguments in calls]
        threads = ThreadPoolExecutor(min(self.size, len(calls)), thread_name_prefix="verify")
        try:
            return list(threads.map(lambda call: self.run(*call, deadline=deadline), calls))
        finally:
            threads.shutdown(cancel_futures=True)

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are up or starting."""
        with self._changed:
            return [worker.process.pid for worker in self._workers]

    def close(self) -> None:
        """End all workers. A later call starts new ones."""
        with self._changed:
            _kill_all(self._workers)
            self._idle.clear()
            self._changed.notify_all()

    def _run(self, request: dict[str, Any]) -> Outcome:
        try:
            worker = self._take()
        except OSError as error:
            return Outcome(Status.UNAVAILABLE, detail=f"no worker could be started: {error}")
        try:
            outcome = worker.started(self._start_limit) or worker.call(request)
        except BaseException:  # Ctrl-C: what the worker is about to answer is nobody's now
            self._give_up(worker)
            raise
        if outcome.status in (Status.DONE, Status.RAISED) and worker.calls < self._calls:
            self._give_back(worker)
        else:
            self._give_up(worker)
        return outcome

    def _take(self) -> _Worker:
        """Return a worker for this thread alone: one that is up if there is one."""
        with self._changed:
            while True:
                for dead in [worker for worker in self._idle if worker.dead()]:
                    self._idle.remove(dead)
                    self._workers.discard(dead)
                    dead.kill()
                while len(self._workers) < self.size:
                    self._idle.append(self._start())
                if self._idle:
                    worker = next((w for w in reversed(self._idle) if w.up()), self._idle[0])
                    self._idle.remove(worker)
                    return worker
                self._changed.wait()

    def _give_back(self, worker: _Worker) -> None:
        with self._changed:
            if worker in self._workers:  # else the pool was closed meanwhile
                self._idle.append(worker)
                self._changed.notify()

    def _give_up(self, worker: _Worker) -> None:
        """Kill a worker; if it had come up, start its successor now, to be up when needed."""
        worker.kill()
        with self._changed:
            owned = worker in self._workers
            self._workers.discard(worker)
            self._changed.notify_all()
            if owned and worker.up():
                try:
                    self._idle.append(self._start())
                except OSError:
                    return  # whoever needs a worker next tries again, and reports it

    def _start(self) -> _Worker:
        worker = _Worker(self._command)
        self._workers.add(worker)
        return worker

    def _forget(self) -> None:
        """Begin without workers; those that a forked child inherited are its parent's."""
        for worker in self._workers:
            worker.disown()
        self._workers.clear()
        self._idle: list[_Worker] = []
        self._changed = threading.Condition()


class _Worker:
    """One process, used by one thread at a time."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=os.path.abspath(os.sep),  # `-m` looks for modules in the current folder first
            env=_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for the parent
        )
        self.calls = 0
        self._first: dict[str, Any] | None = None  # {}: it ended without a word
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._born = time.monotonic()
        stdout = cast(BinaryIO, self.process.stdout)
        threading.Thread(target=_read, args=(stdout, self._answers), daemon=True).start()

    def up(self) -> bool:
        """Whether it has said that it is ready."""
        if self._first is None and not self._answers.empty():
            self._first = self._answers.get() or {}
        return bool(self._first and "ready" in self._first)

    def dead(self) -> bool:
        """Whether the process is no more."""
        return self.process.poll() is not None

    def started(self, limit: float) -> Outcome | None:
        """Wait until it is up; return an outcome if that fails."""
        if self.up():
            return None
        if self._first is None:
            left = self._born + limit - time.monotonic()
            try:
                self._first = self._answers.get(timeout=max(0.0, left)) or {}
            except queue.Empty:
                return Outcome(Status.UNAVAILABLE, detail=f"a worker did not start in {limit:g} s")
        if self.up():
            return None
        reason = self._first.get("failed")
        why = reason or f"exit status {self.process.wait()}"
        detail = f"a worker could not start: {why}"
        return Outcome(Status.UNAVAILABLE, detail=detail, again=reason is None)

    def call(self, request: dict[str, Any]) -> Outcome:
        """Send one request and wait for its answer."""
        self.calls += 1
        try:
            send(cast(BinaryIO, self.process.stdin), request)
            answer = self._answers.get(timeout=request["deadline"])
        except queue.Empty:
            return Outcome(Status.TIMEOUT, detail=f"not decided within {request['deadline']:g} s")
        except OSError:
            answer = None
        if answer is None:
            detail = f"the worker died ({self.process.wait()})"
            return Outcome(Status.DIED, detail=detail, again=True)
        if "value" in answer:
            return Outcome(Status.DONE, answer["value"])
        if "memory" in answer:
            return Outcome(Status.MEMORY, detail="the worker's memory limit was reached")
        return Outcome(Status.RAISED, detail=answer["raised"])

    def kill(self) -> None:
        """End the process and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        cast(BinaryIO, self.process.stdin).close()

    def disown(self) -> None:
        """Let go of a process that belongs to this one's parent."""
        self.process.returncode = 0  # not ours to wait for
        cast(BinaryIO, self.process.stdin).close()
        cast(BinaryIO, self.process.stdout).close()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """The worker finds the modules that this process finds, and computes on one core."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _read(stream: BinaryIO, answers: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with stream:
        while (answer := receive(stream)) is not None:
            answers.put(answer)
    answers.put(None)


def _kill_all(workers: set[_Worker]) -> None:
    while workers:
        workers.pop().kill()


_POOLS: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_POOLS):
        pool._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
