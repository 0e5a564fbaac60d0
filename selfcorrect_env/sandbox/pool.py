"""`Sandbox` runs programs and judges them by tests, in separate processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Literal

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox.jobs import Job, Outcome
from selfcorrect_env.sandbox.layers import missing_for_strong
from selfcorrect_env.sandbox.packages import locate
from selfcorrect_env.sandbox.pair import Pair, Settings
from selfcorrect_env.sandbox.process import JudgeError
from selfcorrect_env.sandbox.trial import HARMLESS, best_layers

Isolation = Literal["strong", "basic"]

MEBIBYTE = 2**20
MOST_TRIES = 5
"""Times that a program is run at most, if something kills its processes each time."""


class Sandbox:
    """Warm processes from which programs and their checks are forked.

    The tests never run in the program's process, and values cross between the two as plain data.
    The sandbox can be used from several threads and after a fork.

    Args:
        deadline: seconds per program, from its own start, without the time that it waits for a
            processor (see `selfcorrect_env.sandbox.clock`); > 0.
        workers: number of programs that run at the same time, ≥ 1.
        memory: bytes of address space per program.
        isolation: ``"strong"`` or ``"basic"`` (see `selfcorrect_env.sandbox.confinement`).
        packages: installed packages that programs may import, such as ``"numpy"``.

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
        packages: Sequence[str] = (),
    ) -> None:
        if isolation not in ("strong", "basic"):
            raise ValueError(f"isolation must be 'strong' or 'basic', got {isolation!r}.")
        if not deadline > 0 or workers < 1:
            raise ValueError(
                f"deadline must be above 0 and workers at least 1, got {deadline!r}, {workers!r}."
            )
        missing = [name for name in packages if name not in locate(packages)]
        if missing:
            raise SandboxError(f"{', '.join(missing)} is not installed: pip install {missing[0]}.")
        self.deadline, self.workers = deadline, workers
        settings = self._find_settings(deadline, memory, isolation)
        self._settings = replace(settings, packages=tuple(packages))
        self._owner = 0
        self._lock = threading.Lock()
        self._reset_after_fork()

    def _find_settings(self, deadline: float, memory: int, isolation: Isolation) -> Settings:
        """Return the settings of the pairs, with the best layers that this machine supports."""
        strong = isolation == "strong"
        found = best_layers(strong=strong)
        if found.broken:
            reasons = "; ".join(missing_for_strong() if strong else []) or found.broken
            raise SandboxError(
                f"This machine does not support isolation={isolation!r}: {reasons}. "
                "Use Linux 5.13 or newer with landlock and seccomp allowed (in a container, a "
                "profile that permits them), or backend='docker' or 'podman', or "
                "isolation='basic', with which programs can read and change everything that you "
                "can. `selfcorrect doctor` tells more."
            )
        return Settings(deadline, memory, strong=strong, namespaces=found.namespaces)

    def _new_pair(self, settings: Settings) -> Pair:
        return Pair(settings)

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
        outcomes: list[Outcome | None] = [None] * len(jobs)
        waiting = deque(enumerate(tickets))

        finished: SimpleQueue[BaseException | None] = SimpleQueue()

        def judge() -> None:
            try:
                while (taken := _taken(waiting)) is not None:
                    outcomes[taken[0]] = self._run(taken[1])
            except BaseException as error:
                finished.put(error)
            else:
                finished.put(None)

        threads = min(self.workers, len(jobs))
        try:
            for _ in range(threads):
                self._threads.call(judge)
            for _ in range(threads):
                if (error := finished.get()) is not None:
                    raise error
        except BaseException:
            waiting.clear()
            for ticket in tickets:
                ticket.abandon()
            raise
        return [outcome for outcome in outcomes if outcome is not None]

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
                self._idle: list[Pair] = []
                self._threads = _Threads(self.workers)

    def _take(self) -> Pair | None:
        """Take the pair that was used last; None if no pair is idle."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _run(self, ticket: _Ticket) -> Outcome:
        """Judge one program in a thread of the pool, again on a fresh pair if the first fails."""
        failures: list[JudgeError] = []
        while len(failures) < MOST_TRIES and not ticket.abandoned:
            try:
                return self._try(ticket, fresh=bool(failures))
            except JudgeError as error:
                failures.append(error)
                if len(failures) >= 2 and all(self._is_suspect(it) for it in failures):
                    break
            except OSError as error:
                failures.append(JudgeError(f"{type(error).__name__}: {error}", killed=True))
        return self._blame(ticket.job, failures)

    def _try(self, ticket: _Ticket, *, fresh: bool) -> Outcome:
        """Run a job on an idle pair or on a ``fresh`` one."""
        pair = (None if fresh else self._take()) or self._new_pair(self._settings)
        try:
            with ticket.on(pair):
                outcome = pair.run(ticket.job)
        except BaseException:
            pair.close()
            raise
        if pair.worn_out:
            pair.close()
        else:
            self._idle.append(pair)
        return outcome

    def _is_suspect(self, failure: JudgeError) -> bool:
        """Return whether the program can have caused a failure of its judge.

        Strongly isolated programs cannot signal other processes: what SIGKILL ended, something
        else has killed, or the kernel for want of memory.
        """
        return failure.large or not (failure.killed and self._settings.strong)

    def _blame(self, job: Job, failures: list[JudgeError]) -> Outcome:
        """Return the outcome of a program that could not be judged on two pairs or more.

        If each failure may be its doing, and a harmless program is judged well at the same time,
        the program is wrong: a failure of the sandbox must not be worth more than a failed test.
        """
        total, last = len(job.tests), str(failures[-1])[:300] if failures else "not run"
        suspect = len(failures) >= 2 and all(self._is_suspect(it) for it in failures)
        if suspect and self._judges_well():
            if all(it.large for it in failures):
                return Outcome(0, total, last, memory=True)
            return Outcome(0, total, f"the program ended its judge: {last}")
        return Outcome(0, total, broken=last)

    def _judges_well(self) -> bool:
        try:
            return self._try(_Ticket(HARMLESS), fresh=True).right
        except OSError:
            return False


class _Threads:
    """Threads that make calls, as long as this object exists.

    Calls are handed over by a `queue.SimpleQueue`. An exception in the calling thread, such as
    Ctrl-C, cannot leave it locked, as it can the executors of `concurrent.futures`.
    """

    def __init__(self, size: int) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for _ in range(size):
            threading.Thread(target=_make_calls, args=(self._calls,), daemon=True).start()
        weakref.finalize(self, _end_calls, self._calls, size)

    def call(self, function: Callable[[], None]) -> None:
        """Call a function, which raises nothing, in one of the threads."""
        self._calls.put(function)


def _taken(waiting: deque[tuple[int, _Ticket]]) -> tuple[int, _Ticket] | None:
    try:
        return waiting.popleft()
    except IndexError:  # none is left
        return None


def _make_calls(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (function := calls.get()) is not None:
        function()
        del function  # it refers to the sandbox


def _end_calls(calls: SimpleQueue[Callable[[], None] | None], size: int) -> None:
    for _ in range(size):
        calls.put(None)


class _Ticket:
    """A job that one thread runs and another one may abandon."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.abandoned = False
        self._pair: Pair | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def on(self, pair: Pair) -> Iterator[None]:
        """Let `abandon` kill this pair while the block runs.

        Raises:
            JudgeError: the job was abandoned.
        """
        with self._lock:
            if self.abandoned:
                raise JudgeError("the job was abandoned", killed=True)
            self._pair = pair
        try:
            yield
        finally:
            with self._lock:
                self._pair = None
                abandoned = self.abandoned
        if abandoned:
            raise JudgeError("the job was abandoned", killed=True)

    def abandon(self) -> None:
        """Kill the pair that runs the job, if one does; the outcome is not used."""
        with self._lock:
            self.abandoned = True
            if self._pair is not None:
                self._pair.kill()
