"""Who ends a judge: a program that does is wrong, a host that does is the reason for an error."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from selfcorrect_env.sandbox import Job, Sandbox, best_layers, missing_for_strong
from selfcorrect_env.sandbox.clock import children
from selfcorrect_env.sandbox.pair import Pair
from selfcorrect_env.sandbox.pool import MOST_TRIES

pytestmark = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)

TESTS, NAMES = ("assert add(1, 2) == 3",), ("add",)
RIGHT = Job("def add(a, b):\n    return a + b", TESTS, NAMES)
SLOW = Job(f"import time\ntime.sleep(0.3)\n{RIGHT.source}", TESTS, NAMES)
WRONG = Job("def add(a, b):\n    return a - b", TESTS, NAMES)


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(deadline=10, workers=1)
    yield sandbox
    sandbox.close()


SCRATCH = {
    "long names": "for i in range(40):\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)",
    "long names of files": "for i in range(200):\n    open(f'{i:0250}', 'w').close()",
    "many folders in one another": "for i in range(2000):\n    os.mkdir('d')\n    os.chdir('d')",
    "long names of many letters": (
        "for i in range(60):\n    os.mkdir('\\U0001f600' * 60)\n    os.chdir('\\U0001f600' * 60)"
    ),
    "names of odd bytes": "for i in range(1, 255):\n    os.mkdir(bytes([255, i]))",
    "folders without permissions": "for i in range(30):\n    os.mkdir('d', 0)",
    "folders without permissions in one another": (
        "for i in range(30):\n    os.mkdir('d', 0o300)\n    os.chdir('d')"
    ),
    "a folder that cannot be entered": "os.mkdir('a')\nos.mkdir('a/b', 0)\nos.mkdir('c', 0o111)",
    "all inodes": "for i in range(5000):\n    open(str(i), 'w').close()",
    "all inodes in folders": "for i in range(5000):\n    os.mkdir(str(i))",
    "all space": "for i in range(64):\n    open(str(i), 'wb').write(b'x' * 10**6)",
    "all space in an unlinked file": (
        "keep = []\nfor i in range(64):\n    f = open(str(i), 'wb')\n    os.unlink(str(i))\n"
        "    f.write(b'x' * 10**6)\n    keep.append(f)"
    ),
    "a file too large": "open('x', 'wb').write(b'x' * 10**7)",
    "a sparse file": "open('x', 'wb').truncate(10**9)",
    "its own folder deleted": "os.mkdir('d')\nos.chdir('d')\nos.rmdir('../d')",
    "its folder removed": "os.rmdir(os.getcwd())",
    "its folder renamed": "os.rename(os.getcwd(), '/other')",
    "folders moved into one another": (
        "for i in range(300):\n    os.mkdir(f'a{i}')\nfor i in range(299):\n"
        "    os.rename(f'a{i}', f'a{i + 1}/a{i}')"
    ),
    "no rights for what it makes": "os.umask(0o777)\nos.makedirs('a')\nopen('b', 'w').close()",
    "all descriptors": "keep = []\nwhile True:\n    keep.append(open(os.devnull))",
    "an unlistable root": "os.mkdir('x', 0)\nos.mkdir('y')\nos.chdir('y')\nos.umask(0o777)",
    "files while it is stopped": "while True:\n    open('x', 'w').close()\n    os.unlink('x')",
}


@pytest.mark.parametrize("what", SCRATCH)
def test_a_folder_left_behind_ends_no_judge(sandbox: Sandbox, what: str) -> None:
    source = f"import os\ntry:\n    exec({SCRATCH[what]!r})\nexcept OSError:\n    pass\n"
    quick = Sandbox(deadline=1.0, workers=1) if "stopped" in what else sandbox
    outcome = quick.run(Job(source + WRONG.source, TESTS, NAMES))
    assert not outcome.right
    assert not outcome.broken
    (pair,) = quick._idle
    check = "import os\nassert not os.listdir('.')\nopen('x', 'wb').write(b'x' * 10**6)\n"
    if not best_layers(strong=True).namespaces:  # there is no folder to write in
        check = ""
    assert quick.run(Job(check + RIGHT.source, TESTS, NAMES)).right
    assert quick._idle == [pair]  # the same processes judged both
    if quick is not sandbox:
        quick.close()


@contextmanager
def killing(victims: Callable[[], list[int]], times: int, pause: float = 0.0) -> Iterator[None]:
    """Kill each process that ``victims`` returns, for so many of them, while the block runs."""
    over, killed = threading.Event(), set()

    def kill() -> None:
        while not over.is_set() and len(killed) < times:
            for process in set(victims()) - killed:
                if len(killed) < times:
                    time.sleep(pause)
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    killed.add(process)
            time.sleep(0.002)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert killed


def warm() -> list[int]:
    """The warm processes of this process, and those of their namespaces."""
    found = []
    threads = map(int, os.listdir("/proc/self/task"))
    for child in [it for thread in threads for it in children_of(thread)]:
        with suppress(OSError), open(f"/proc/{child}/cmdline", "rb") as file:
            if b"bare_interpreter.py" in file.read():
                found.append(child)
    return found


def children_of(thread: int) -> list[int]:
    """The processes that a thread of this process started."""
    with suppress(OSError), open(f"/proc/self/task/{thread}/children") as file:
        return [int(word) for word in file.read().split()]
    return []


def programs(sandbox: Sandbox) -> list[int]:
    """The processes in which programs run at the moment."""
    return [it for pair in list(PAIRS) for it in children(pair._zygote)]


PAIRS: list[Pair] = []


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch):
    """A sandbox whose pairs are listed in `PAIRS`."""
    start = Pair.__init__

    def record(self: Pair, *arguments: object) -> None:
        start(self, *arguments)  # type: ignore[arg-type]
        PAIRS.append(self)

    monkeypatch.setattr(Pair, "__init__", record)
    sandbox = Sandbox(deadline=10, workers=1)
    yield sandbox
    sandbox.close()
    PAIRS.clear()


def test_a_program_that_another_process_kills_is_run_again(watched: Sandbox) -> None:
    with killing(lambda: programs(watched), times=1, pause=0.1):
        assert watched.run(SLOW).right


def test_a_program_that_is_killed_each_time_is_not_judged(watched: Sandbox) -> None:
    with killing(lambda: programs(watched), times=100, pause=0.1):
        outcome = watched.run(SLOW)
    assert outcome.broken
    assert not outcome.right
    assert watched.run(RIGHT).right


@pytest.mark.parametrize("which", ["zygote", "checker"])
def test_a_judge_that_another_process_kills_is_replaced(watched: Sandbox, which: str) -> None:
    def judges() -> list[int]:
        return [getattr(pair, which).process.pid for pair in list(PAIRS)]

    with killing(judges, times=MOST_TRIES - 1, pause=0.15):
        assert watched.run(SLOW).right
    with killing(judges, times=100, pause=0.1):
        outcome = watched.run(Job(f"import time\ntime.sleep(2)\n{RIGHT.source}", TESTS, NAMES))
    assert outcome.broken
    assert not outcome.failed


def test_a_program_that_ends_itself_is_wrong(sandbox: Sandbox) -> None:
    for end in ("os._exit(0)", "os.abort()", "ctypes.string_at(0)", "sys.exit(1)", "os.close(4)"):
        source = f"import ctypes, os, sys\ndef add(a, b):\n    {end}\n    return 3"
        outcome = sandbox.run(Job(source, TESTS, NAMES))
        assert not outcome.broken
        assert "ended" in outcome.failed or "SystemExit" in outcome.failed, outcome


@pytest.mark.parametrize("end", ["os._exit(3)", "ctypes.string_at(0)", "os.kill(os.getpid(), 11)"])
def test_a_judge_that_ends_for_each_program_but_a_harmless_one(sandbox: Sandbox, end: str) -> None:
    """The checker's end stands for any that a value of the program may cause."""
    test = f"import ctypes, os\nif add(1, 2) == 4:\n    {end}\nassert add(1, 2) == 3"
    outcome = sandbox.run(Job("def add(a, b):\n    return 4", (test,), NAMES))
    assert not outcome.broken
    assert not outcome.right
    assert "ended its judge" in outcome.failed
    assert sandbox.run(Job(RIGHT.source, (test,), NAMES)).right


def test_a_sandbox_that_judges_nothing_blames_no_program(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Job("import os", ("import os\nos._exit(3)",), NAMES)
    monkeypatch.setattr("selfcorrect_env.sandbox.pool.HARMLESS", end)
    outcome = sandbox.run(Job(RIGHT.source, end.tests, NAMES))
    assert outcome.broken
    assert not outcome.failed


def test_a_verdict_stands_when_the_zygote_ends_after_it(watched: Sandbox) -> None:
    """A verdict is the checker's, whatever happens to the process that cleans up."""
    assert watched.run(RIGHT).right
    (pair,) = watched._idle
    pair.zygote.process.kill()
    pair.zygote.process.wait()
    end = pair._end_program(b"12345678", gone=False)
    assert end["signal"] == 0
    assert pair.worn_out


def test_kills_at_random_make_no_verdict_wrong(watched: Sandbox) -> None:
    chance = random.Random(0)
    over = threading.Event()

    def kill() -> None:
        while not over.is_set():
            time.sleep(chance.uniform(0.5, 1.5))
            for process in chance.sample(warm() + programs(watched), k=1) if warm() else []:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        outcomes = watched.run_all([RIGHT, WRONG] * 60)
    finally:
        over.set()
        thread.join()
    for outcome, expected in zip(outcomes, [True, False] * 60, strict=True):
        assert outcome.broken or outcome.right == expected
    assert not all(outcome.broken for outcome in outcomes)
