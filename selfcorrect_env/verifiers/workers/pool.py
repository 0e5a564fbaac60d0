"""Worker processes that can be killed, for work that may hang, crash or exhaust the memory.

A `WorkerPool` serves one function. It can be called from several threads, from asyncio
(`asyncio.to_thread`) and after a fork: a forked child starts its own workers. Workers are plain
subprocesses (not `multiprocessing`, which would import the caller's ``__main__`` again). They start
with the first call, and end with the pool or with the process that owns it, even if that is killed.
"""

from __future__ import annotations

import json
import os
import queue
import signal
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
    """The call exceeded its deadline of processor time, or the limit of wall-clock time."""
    MEMORY = "memory"
    """The call exceeded the memory limit of a worker."""
    DIED = "died"
    """The worker died during the call, twice."""
    RAISED = "raised"
    """The function raised an exception."""
    UNAVAILABLE = "unavailable"
    """No worker could be started. This implies nothing about the call."""


@dataclass(frozen=True)
class CallResult:
    """The result of one call."""

    status: Status
    value: Any = None
    """The return value, if the function returned."""
    detail: str = ""
    """A one-line message, if it did not return."""
    retry: bool = False
    """Whether a retry may succeed: the worker exited without a message."""


class WorkerPool:
    """A bounded number of processes that run one function with a deadline for each call.

    Args:
        function: ``"module:name"``. Its arguments and its result must be JSON values.
        workers: number of processes; by default one per usable core, at most four.
        memory: address space per worker, in bytes (not enforced on macOS and Windows).
        start_limit: seconds for the start of a worker. Imports count towards this limit, not
            towards a call's deadline.
        calls: number of calls after which a worker is replaced, which bounds the size of caches.
        warm_up: arguments of a call that a worker makes before it is ready, so that no deadline
            pays for what the function does only once.
        wall_limit: seconds of wall-clock time per call; by default 20 times the call's deadline and
            at least 10 s, so that a busy machine turns no call into a time-out.

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
        warm_up: Sequence[Any] | None = None,
        wall_limit: float | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        self.size = workers or min(4, usable_cores())
        options = [function, str(memory), json.dumps(warm_up)]
        self._command = [sys.executable, "-m", receive.__module__, *options]
        self._wall_limit = wall_limit
        self._start_limit = start_limit
        self._calls = calls
        self._workers: set[_Worker] = set()
        self._reset_workers()
        _POOLS.add(self)
        weakref.finalize(self, _kill_all, self._workers)

    def start(self) -> None:
        """Start the workers without waiting for them: the first call then waits less.

        No error is raised if none can be started: the next call tries again, and reports it.
        """
        with self._changed:
            try:
                self._fill()
            except OSError:
                return

    def run(self, *arguments: Any, deadline: float) -> CallResult:
        """Call the function in a worker and wait for the outcome.

        The deadline is in seconds of the worker's processor time (of wall-clock time on Windows),
        from when a running worker receives the call; waiting for a free worker and its start do not
        count. If the worker dies during the call, the call is retried once, since something else
        may have killed the worker.
        """
        wall_limit = self._wall_limit or max(20 * deadline, 10.0)
        if not hasattr(signal, "setitimer"):  # Windows: the only limit
            wall_limit = deadline
        request = {"arguments": arguments, "deadline": deadline, "wall_limit": wall_limit}
        outcome = self._run(request)
        return self._run(request) if outcome.retry else outcome

    def run_all(self, calls: Sequence[tuple[Any, ...]], *, deadline: float) -> list[CallResult]:
        """Distribute many calls over the workers; ``result[i]`` is the outcome of ``calls[i]``."""
        if len(calls) < 2:
            return [self.run(*arguments, deadline=deadline) for arguments in calls]
        threads = ThreadPoolExecutor(min(self.size, len(calls)), thread_name_prefix="verify")
        try:
            return list(threads.map(lambda call: self.run(*call, deadline=deadline), calls))
        finally:
            threads.shutdown(cancel_futures=True)

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are running or starting."""
        with self._changed:
            return [worker.process.pid for worker in self._workers]

    def close(self) -> None:
        """Kill all workers. A later call starts new ones."""
        with self._changed:
            _kill_all(self._workers)
            self._idle.clear()
            self._changed.notify_all()

    def _run(self, request: dict[str, Any]) -> CallResult:
        try:
            worker = self._take_worker()
        except OSError as error:
            return CallResult(Status.UNAVAILABLE, detail=f"no worker could be started: {error}")
        try:
            outcome = worker.wait_until_ready(self._start_limit) or worker.call(request)
        except BaseException:  # such as Ctrl-C: the pending answer must not reach the next call
            self._discard(worker)
            raise
        if outcome.status in (Status.DONE, Status.RAISED) and worker.calls < self._calls:
            self._return_worker(worker)
        else:
            self._discard(worker)
        return outcome

    def _take_worker(self) -> _Worker:
        """Take a worker for this thread: preferably one that is running."""
        with self._changed:
            while True:
                for dead in [worker for worker in self._idle if worker.has_exited()]:
                    self._idle.remove(dead)
                    self._workers.discard(dead)
                    dead.kill()
                self._fill()
                if self._idle:
                    worker = next((w for w in reversed(self._idle) if w.is_ready()), self._idle[0])
                    self._idle.remove(worker)
                    return worker
                self._changed.wait()

    def _return_worker(self, worker: _Worker) -> None:
        with self._changed:
            if worker in self._workers:  # otherwise the pool was closed in the meantime
                self._idle.append(worker)
                self._changed.notify()

    def _discard(self, worker: _Worker) -> None:
        """Kill a worker; if it was running, start its replacement in advance."""
        worker.kill()
        with self._changed:
            owned = worker in self._workers
            self._workers.discard(worker)
            self._changed.notify_all()
            if owned and worker.is_ready():
                try:
                    self._idle.append(self._start_worker())
                except OSError:
                    return  # the next call tries again, and reports the error

    def _fill(self) -> None:
        while len(self._workers) < self.size:
            self._idle.append(self._start_worker())

    def _start_worker(self) -> _Worker:
        worker = _Worker(self._command)
        self._workers.add(worker)
        return worker

    def _reset_workers(self) -> None:
        """Start without workers; those inherited in a fork belong to the parent."""
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
            cwd=os.path.abspath(os.sep),  # `-m` searches the current folder first
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal must reach the parent only
        )
        self.calls = 0
        self._first_message: dict[str, Any] | None = None  # {}: it exited without a message
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._start_time = time.monotonic()
        stdout = cast(BinaryIO, self.process.stdout)
        threading.Thread(target=_read, args=(stdout, self._answers), daemon=True).start()

    def is_ready(self) -> bool:
        """Return whether the worker has reported that it is ready."""
        if self._first_message is None and not self._answers.empty():
            self._first_message = self._answers.get() or {}
        return bool(self._first_message and "ready" in self._first_message)

    def has_exited(self) -> bool:
        """Return whether the process has exited."""
        return self.process.poll() is not None

    def wait_until_ready(self, limit: float) -> CallResult | None:
        """Wait until the worker is running; return an outcome if it fails to start."""
        if self.is_ready():
            return None
        if self._first_message is None:
            left = self._start_time + limit - time.monotonic()
            try:
                self._first_message = self._answers.get(timeout=max(0.0, left)) or {}
            except queue.Empty:
                return CallResult(
                    Status.UNAVAILABLE, detail=f"a worker did not start in {limit:g} s"
                )
        if self.is_ready():
            return None
        reason = self._first_message.get("failed")
        why = reason or f"exit status {self.process.wait()}"
        detail = f"a worker could not start: {why}"
        return CallResult(Status.UNAVAILABLE, detail=detail, retry=reason is None)

    def call(self, request: dict[str, Any]) -> CallResult:
        """Send one request and wait for its answer."""
        self.calls += 1
        try:
            send(cast(BinaryIO, self.process.stdin), request)
            answer = self._answers.get(timeout=request["wall_limit"])
        except queue.Empty:
            detail = f"not decided within {request['wall_limit']:g} s of wall-clock time"
            return CallResult(Status.TIMEOUT, detail=detail)
        except OSError:
            answer = None
        if answer is None:
            return self._death(request)
        if "value" in answer:
            return CallResult(Status.DONE, answer["value"])
        if "memory" in answer:
            return CallResult(Status.MEMORY, detail="the worker's memory limit was reached")
        return CallResult(Status.RAISED, detail=answer["raised"])

    def _death(self, request: dict[str, Any]) -> CallResult:
        """Return how the call ended whose worker has exited: by its own timer, or otherwise."""
        status = self.process.wait()
        if hasattr(signal, "SIGPROF") and status == -signal.SIGPROF:
            detail = f"not decided within {request['deadline']:g} s of processor time"
            return CallResult(Status.TIMEOUT, detail=detail)
        return CallResult(Status.DIED, detail=f"the worker died ({status})", retry=True)

    def kill(self) -> None:
        """Kill the process and wait until it has exited."""
        self.process.kill()
        self.process.wait()
        cast(BinaryIO, self.process.stdin).close()

    def disown(self) -> None:
        """Close the pipes to a process that belongs to this process's parent."""
        self.process.returncode = 0  # not a child of this process, so it cannot be waited for
        cast(BinaryIO, self.process.stdin).close()
        cast(BinaryIO, self.process.stdout).close()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Return an environment with this process's module path, and one core for computations."""
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
        pool._reset_workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
