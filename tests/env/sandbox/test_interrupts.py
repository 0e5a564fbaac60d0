"""Ctrl-C, cancelled and abandoned verdicts: the verdicts after them are those of their programs."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from selfcorrect_env.sandbox import Job, Sandbox, missing_for_strong

ISOLATION = "basic" if missing_for_strong() else "strong"
RIGHT = Job("def add(a, b):\n    return a + b", ("assert add(1, 2) == 3",), ("add",))
WRONG = Job("def add(a, b):\n    return a - b", ("assert add(1, 2) == 3",), ("add",))
SLOW = Job(f"import time\ntime.sleep(0.4)\n{RIGHT.source}", RIGHT.tests, RIGHT.names)

INTERRUPTED = """
import os, signal, sys, threading, time
from selfcorrect_env.sandbox import Job, Sandbox
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored by inheritance
tests, names = ("assert add(1, 2) == 3",), ("add",)
right = Job("def add(a, b):\\n    return a + b", tests, names)
wrong = Job("def add(a, b):\\n    return a - b", tests, names)
slow = Job("import time\\ntime.sleep(0.4)\\n" + right.source, tests, names)
sandbox = Sandbox(deadline=10, workers=2, isolation=sys.argv[1])
assert sandbox.run(right).right
interrupts = 0
for delay in map(float, sys.argv[3:]):
    try:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        sandbox.run_all([slow] * int(sys.argv[2]))
        time.sleep(5)
    except KeyboardInterrupt:
        interrupts += 1
    found = [outcome.right for outcome in sandbox.run_all([wrong, right] * 4)]
    found += [sandbox.run(job).right for job in (wrong, right) * 3]
    assert found == [False, True] * 7, found
assert interrupts == len(sys.argv) - 3, interrupts
sandbox.close()
print("held")
"""


@pytest.fixture
def sandbox():
    sandbox = Sandbox(deadline=10, workers=2, isolation=ISOLATION)
    yield sandbox
    sandbox.close()


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests' process inherited to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def follow_ups(sandbox: Sandbox) -> list[bool]:
    return [outcome.right for outcome in sandbox.run_all([WRONG, RIGHT] * 6)]


@pytest.mark.parametrize("programs", ["1", "2", "5"])
def test_ctrl_c_at_any_moment(programs: str) -> None:
    delays = ["0", "0.001", "0.01", "0.05", "0.2", "0.38", "0.4", "0.41"]
    command = [sys.executable, "-c", INTERRUPTED, ISOLATION, programs, *delays]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.stdout.strip(), done.returncode) == ("held", 0), done.stderr


def test_ctrl_c_in_a_thread_that_waits(sandbox: Sandbox) -> None:
    """The exceptions that one thread may raise in another one, as notebooks do."""
    assert sandbox.run(RIGHT).right
    for delay in (0.0, 0.05, 0.2, 0.39):
        ended = threading.Event()

        def judge(ended: threading.Event = ended) -> None:
            try:
                sandbox.run_all([SLOW] * 3)
            except KeyboardInterrupt:
                ended.set()

        thread = threading.Thread(target=judge)
        thread.start()
        time.sleep(delay)
        identity = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(KeyboardInterrupt))
        assert follow_ups(sandbox) == [False, True] * 6
        thread.join()
        assert ended.is_set()


def test_a_cancelled_task(sandbox: Sandbox) -> None:
    async def judge() -> list[bool]:
        tasks = [asyncio.create_task(asyncio.to_thread(sandbox.run, SLOW)) for _ in range(6)]
        await asyncio.sleep(0.1)
        for task in tasks[:4]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 4
        return await asyncio.to_thread(follow_ups, sandbox)

    assert asyncio.run(judge()) == [False, True] * 6


def test_an_answer_for_another_job_replaces_the_pair(sandbox: Sandbox) -> None:
    """An answer that was left in the checker's socket is not taken for the next job's."""
    assert sandbox.run(RIGHT).right
    (pair,) = sandbox._idle
    stale = b'{"passed": 1, "total": 1, "failed": "", "job": "00000000000000ff"}'
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.sendall(len(stale).to_bytes(4, "big") + stale)
        os.dup2(reading.fileno(), pair.checker.control.fileno())
        assert not sandbox.run(WRONG).right
    assert pair not in sandbox._idle
    assert pair.checker.process.returncode is not None
    assert follow_ups(sandbox) == [False, True] * 6


def test_abandoned_programs_end_soon(interruptible: None) -> None:
    sandbox = Sandbox(deadline=60, workers=1, isolation=ISOLATION)
    assert sandbox.run(RIGHT).right
    endless = Job("while True:\n    pass", RIGHT.tests, RIGHT.names)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        sandbox.run_all([endless] * 4)
    assert sandbox.run(RIGHT).right
    assert time.monotonic() - start < 30
    sandbox.close()
