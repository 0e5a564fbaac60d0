"""Deadlines do not count the time that a program waits for a processor."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from selfcorrect_env.sandbox import Job, Sandbox, missing_for_strong
from selfcorrect_env.sandbox.clock import Stopwatch, children, waited

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel does not count waiting"
)
ISOLATION = "basic" if missing_for_strong() else "strong"
BUSY = "while True: pass"
TESTS, NAMES = ("assert add(1, 2) == 3",), ("add",)


@contextmanager
def busy_loops(number: int) -> Iterator[list[int]]:
    """Processes that never sleep, on one core."""
    core = min(os.sched_getaffinity(0))
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        for loop in loops:
            os.sched_setaffinity(loop.pid, {core})
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_waiting_for_a_processor_is_not_counted() -> None:
    with busy_loops(4) as loops:
        watch = Stopwatch(loops[:1])
        time.sleep(2.0)
        assert watch.seconds([]) < 0.6 * watch.wall
        assert waited(loops[0]) > 0.4


def test_sleeping_is_counted() -> None:
    watch = Stopwatch([os.getpid()])
    time.sleep(0.5)
    assert watch.seconds([]) > 0.3


def test_processes_that_are_not_there_have_not_waited() -> None:
    assert waited(2**22 + 1) == 0.0
    assert children(2**22 + 1) == []


@pytest.mark.slow
def test_a_busy_machine_changes_no_verdict() -> None:
    """Each program would take 60 % of its deadline alone; it takes several times as long here."""
    work = (
        "import time\nend = time.process_time() + 0.9\nwhile time.process_time() < end:\n    pass\n"
    )
    honest = "def add(a, b):\n    return a + b"
    with busy_loops(3):
        sandbox = Sandbox(deadline=1.5, workers=1, isolation=ISOLATION)
        core = {min(os.sched_getaffinity(0))}
        assert sandbox.run(Job(honest, TESTS, NAMES)).right
        (pair,) = sandbox._idle
        for process in (pair._zygote, pair.checker.process.pid):
            os.sched_setaffinity(process, core)
        start = time.monotonic()
        outcome = sandbox.run(Job(work + honest, TESTS, NAMES))
        assert outcome.right, (outcome, time.monotonic() - start)
        assert sandbox.run(Job("while True:\n    pass", TESTS, NAMES)).timeout
        assert sandbox.run(Job("import time\ntime.sleep(60)", TESTS, NAMES)).timeout
        sandbox.close()
