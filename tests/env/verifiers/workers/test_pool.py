"""The pool of killable workers: deadlines, deaths, limits, forks, and nothing left behind."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfcorrect_env.verifiers.workers.pool import MEBIBYTE, Status, WorkerPool

HERE = str(Path(__file__).parent)
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)  # the workers search where this process searches


@pytest.fixture
def pool(here: None) -> Iterator[WorkerPool]:
    made = WorkerPool("pool_tasks:act", workers=2)
    assert made.run("hello", deadline=5).value == "hello"
    yield made
    made.close()


@pytest.fixture
def squares(here: None) -> Iterator[WorkerPool]:
    made = WorkerPool("pool_tasks:square", workers=2)
    yield made
    made.close()


def gone(pids: list[int], seconds: float = 5) -> bool:
    """Whether the processes end within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_pool_that_is_dropped_ends_at_once_also_while_it_starts(
    here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference counting is enough: nothing waits for the workers, and nothing is a cycle."""
    gc.disable()
    try:
        made = WorkerPool("pool_tasks:square", workers=2)
        made.start()
        starting = made.pids()
        assert len(starting) == 2
        del made
        assert gone(starting)
        used = WorkerPool("pool_tasks:square", workers=2)
        assert [found.value for found in used.run_all([(2,), (3,)], deadline=5)] == [4, 9]
        running = used.pids()
        del used
        assert gone(running)
    finally:
        gc.enable()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    broken = WorkerPool("pool_tasks:square")
    broken.start()  # the next call reports it
    assert broken.run(2, deadline=5).status is Status.UNAVAILABLE


def test_nothing_starts_before_the_first_call(squares: WorkerPool) -> None:
    assert squares.pids() == []
    assert squares.run(7, deadline=5).value == 49
    assert len(squares.pids()) == 2


def test_many_calls_keep_their_order(squares: WorkerPool) -> None:
    outcomes = squares.run_all([(n,) for n in range(50)], deadline=5)
    assert [o.value for o in outcomes] == [n * n for n in range(50)]
    assert squares.run_all([], deadline=5) == []


@pytest.mark.parametrize(
    ("what", "detail"),
    [
        ("sleep", "not decided within 2 s of wall-clock time"),
        ("spin in C", "not decided within 0.3 s of processor time"),
    ],
)
def test_a_deadline_is_kept(here: None, what: str, detail: str) -> None:
    pool = WorkerPool("pool_tasks:act", workers=2, wall_limit=2)
    assert pool.run("hello", deadline=5).value == "hello"
    pids, start = pool.pids(), time.monotonic()
    outcome = pool.run(what, 60, deadline=0.3)
    assert (outcome.status, outcome.detail) == (Status.TIMEOUT, detail)
    assert 0.3 <= time.monotonic() - start < 10
    assert len(set(pids) - set(pool.pids())) == 1  # one worker was replaced, not both
    pool.close()


@posix
def test_time_without_the_processor_does_not_count(pool: WorkerPool) -> None:
    assert pool.run("sleep", 0.8, deadline=0.2).status is Status.DONE


@posix
def test_the_processor_time_of_earlier_calls_does_not_count(pool: WorkerPool) -> None:
    outcomes = [pool.run("work", 0.3, deadline=0.7).status for _ in range(6)]
    assert outcomes == [Status.DONE] * 6


def test_a_worker_warms_up_before_it_is_ready(here: None) -> None:
    cold = WorkerPool("pool_tasks:slow_at_first", workers=1)
    assert cold.run(deadline=0.3).status is Status.TIMEOUT
    cold.close()
    warm = WorkerPool("pool_tasks:slow_at_first", workers=1, warm_up=())
    assert warm.run(deadline=0.3).value == 2
    warm.close()


def test_waiting_for_a_free_worker_does_not_count(here: None) -> None:
    pool = WorkerPool("pool_tasks:act", workers=2, wall_limit=2.2)
    outcomes = pool.run_all([("sleep", 0.6)] * 8, deadline=2.2)  # 2.4 s on two workers
    assert {o.status for o in outcomes} == {Status.DONE}
    pool.close()


def test_starting_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import time\ntime.sleep(2.5)\ndef square(n):\n    return n * n\n"
    (tmp_path / "slow_to_start.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pool = WorkerPool("slow_to_start:square", workers=1)
    assert pool.run(3, deadline=2).value == 9
    pool.close()


def test_one_bad_call_leaves_the_others_unharmed(pool: WorkerPool) -> None:
    calls = [("a",), ("work", 60), ("die",), ("raise",), ("print",), ("b",)]
    outcomes = pool.run_all(calls, deadline=1)
    assert [o.status.value for o in outcomes] == [
        *("done", "timeout", "died", "raised", "done", "done")
    ]
    assert outcomes[3].detail == "ValueError: no such thing"
    assert [outcomes[i].value for i in (0, 4, 5)] == ["a", "print", "b"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux enforces RLIMIT_AS")
def test_memory_is_limited(here: None) -> None:
    small = WorkerPool("pool_tasks:act", workers=1, memory=1024 * MEBIBYTE)
    try:
        bomb, after = small.run_all([("eat memory", 2**31), ("eat memory", 2**10)], deadline=5)
        assert (bomb.status, after.value) == (Status.MEMORY, 2**10)
    finally:
        small.close()


@posix
def test_a_worker_killed_by_others_costs_no_call(pool: WorkerPool) -> None:
    for pid in pool.pids():  # idle ones
        os.kill(pid, signal.SIGKILL)
        assert gone([pid])
    assert pool.run("again", deadline=5).value == "again"


@posix
def test_a_worker_killed_at_work_costs_no_call(here: None) -> None:
    alone = WorkerPool("pool_tasks:act", workers=1)
    assert alone.run("hello", deadline=5).value == "hello"
    (pid,) = alone.pids()
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(alone.run, "sleep", 1.0, deadline=10)
        time.sleep(0.4)
        os.kill(pid, signal.SIGKILL)
        assert slow.result().value == "sleep"
    assert alone.pids() != [pid]
    alone.close()


@pytest.mark.slow
@posix
def test_a_worker_killed_while_it_starts_costs_no_call(here: None) -> None:
    pool = WorkerPool("pool_tasks:act", workers=2)
    for _ in range(10):
        assert pool.run("hello", deadline=5).value == "hello"  # the other one is starting
        for pid in pool.pids():
            os.kill(pid, signal.SIGKILL)
            assert gone([pid])
    pool.close()


def test_a_function_that_is_not_there(here: None) -> None:
    for function, why in [("no_such_module:f", "ModuleNotFoundError"), ("os:f", "AttributeError")]:
        broken = WorkerPool(function, workers=1)
        outcome = broken.run(deadline=1)
        assert outcome.status is Status.UNAVAILABLE
        assert why in outcome.detail
        assert gone(broken.pids())


def test_a_start_that_takes_too_long(here: None) -> None:
    slow = WorkerPool("pool_tasks:square", workers=1, start_limit=0.001)
    outcome = slow.run(3, deadline=1)
    assert (outcome.status, outcome.detail) == (
        Status.UNAVAILABLE,
        "a worker did not start in 0.001 s",
    )
    slow.close()


def test_threads_and_asyncio(squares: WorkerPool) -> None:
    with ThreadPoolExecutor(64) as threads:
        outcomes = list(threads.map(lambda n: squares.run(n, deadline=5), range(300)))
    assert [o.value for o in outcomes] == [n * n for n in range(300)]

    async def serve() -> list[int]:
        calls = [asyncio.to_thread(squares.run, n, deadline=5) for n in range(50)]
        return [outcome.value for outcome in await asyncio.gather(*calls)]

    assert asyncio.run(serve()) == [n * n for n in range(50)]


def test_workers_are_replaced_after_many_calls(here: None) -> None:
    tired = WorkerPool("pool_tasks:square", workers=1, calls=3)
    first = tired.run(1, deadline=5) and tired.pids()
    assert [tired.run(n, deadline=5).value for n in range(4)] == [0, 1, 4, 9]
    assert tired.pids() != first
    tired.close()


def test_closing_ends_the_workers_and_a_later_call_starts_new_ones(squares: WorkerPool) -> None:
    squares.run(1, deadline=5)
    pids = squares.pids()
    squares.close()
    assert gone(pids)
    assert squares.run(2, deadline=5).value == 4


def test_a_pool_that_is_forgotten_ends_its_workers(here: None) -> None:
    forgotten = WorkerPool("pool_tasks:square", workers=2)
    forgotten.run(1, deadline=5)
    pids = forgotten.pids()
    del forgotten
    assert gone(pids)


OWNER = """
import sys, time
from selfcorrect_env.verifiers.workers.pool import WorkerPool
if __name__ == "__main__":
    pool = WorkerPool("pool_tasks:act", workers=2)
    pool.run("hello", deadline=9)
    print(*pool.pids(), flush=True)
    if sys.argv[1] == "hang":
        pool.run("spin in C", deadline=1.5)
    elif sys.argv[1] == "wait":
        time.sleep(60)
"""


@posix
@pytest.mark.parametrize("how", ["return", "wait", "hang"])
def test_no_process_outlives_its_owner(here: None, tmp_path: Path, how: str) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    path = os.pathsep.join([HERE, *sys.path])
    with subprocess.Popen(
        [sys.executable, str(script), how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        if how != "return":
            time.sleep(0.3)
            owner.kill()  # no exit handler runs
        owner.wait()
    assert gone(pids, seconds=8)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_workers_of_its_own(squares: WorkerPool) -> None:
    squares.run(1, deadline=5)
    parents = squares.pids()
    child = os.fork()
    if child == 0:
        right = squares.pids() == [] and squares.run(5, deadline=5).value == 25
        apart = not set(squares.pids()) & set(parents)
        squares.close()
        os._exit(0 if right and apart else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert all(alive(pid) for pid in parents)
    assert squares.run(6, deadline=5).value == 36


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        WorkerPool("pool_tasks:square", workers=0)
