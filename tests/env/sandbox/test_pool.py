"""The sandbox's processes: refused, killed, forked, closed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox import Job, Sandbox, layers, missing_for_strong
from selfcorrect_env.sandbox.layers import PURPOSES
from selfcorrect_env.sandbox.trial import Layers, best_layers

needs_isolation = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)

ADD = Job("def add(a, b):\n    return a + b", ("assert add(1, 2) == 3",), ("add",))


@pytest.fixture
def sandbox():
    sandbox = Sandbox(
        deadline=10, workers=2, isolation="basic" if missing_for_strong() else "strong"
    )
    yield sandbox
    sandbox.close()


def test_layers_are_told() -> None:
    assert [layer.name for layer in layers()] == list(PURPOSES)
    assert all(layer.purpose for layer in layers())


def test_weaker_isolation_than_asked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ["landlock: the kernel has no landlock"]
    none = Layers(namespaces=False, broken="OSError")
    monkeypatch.setattr("selfcorrect_env.sandbox.pool.missing_for_strong", lambda: missing)
    monkeypatch.setattr(
        "selfcorrect_env.sandbox.pool.best_layers",
        lambda strong: none if strong else best_layers(strong=False),
    )
    with pytest.raises(SandboxError, match=r"no landlock.*isolation='basic'"):
        Sandbox()
    accepted = Sandbox(isolation="basic")
    assert accepted.run(ADD).right
    accepted.close()


@pytest.mark.parametrize(
    "arguments",
    [{"deadline": 0}, {"workers": 0}, {"isolation": "some"}, {"deadline": float("nan")}],
)
def test_bad_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        Sandbox(**arguments)


def test_many_jobs_keep_their_order(sandbox: Sandbox) -> None:
    sources = [f"def add(a, b):\n    return a + b + {n % 3}" for n in range(30)]
    outcomes = sandbox.run_all([Job(source, ADD.tests, ADD.names) for source in sources])
    assert [outcome.right for outcome in outcomes] == [n % 3 == 0 for n in range(30)]
    assert sandbox.run_all([]) == []


def children_of(process: int) -> list[int]:
    threads = Path(f"/proc/{process}/task").iterdir()
    return [int(word) for it in threads for word in (it / "children").read_text().split()]


@needs_isolation
def test_warm_processes_that_others_kill_cost_no_job(sandbox: Sandbox) -> None:
    assert sandbox.run(ADD).right
    for _ in range(3):
        for pid in children_of(os.getpid()):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"bare_interpreter.py" in file.read():
                    os.kill(pid, signal.SIGKILL)
        assert [outcome.right for outcome in sandbox.run_all([ADD] * 4)] == [True] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_processes_of_its_own(sandbox: Sandbox) -> None:
    assert sandbox.run(ADD).right
    child = os.fork()
    if child == 0:
        right = all(outcome.right for outcome in sandbox.run_all([ADD] * 4))
        sandbox.close()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sandbox.run(ADD).right


def test_threads_wait_for_their_turn(sandbox: Sandbox) -> None:
    found: list[bool] = []

    def judge() -> None:
        found.append(sandbox.run(ADD).right)

    threads = [threading.Thread(target=judge) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 32


def test_the_deadline_counts_from_the_program_s_own_start(sandbox: Sandbox) -> None:
    """Eight programs of 0.6 s on two workers: the last ones wait longer than the deadline."""
    quick = Sandbox(deadline=2.0, workers=2, isolation="basic")
    slow = Job(f"import time\ntime.sleep(0.6)\n{ADD.source}", ADD.tests, ADD.names)
    start = time.monotonic()
    assert all(outcome.right for outcome in quick.run_all([slow] * 8))
    assert time.monotonic() - start > 2.0
    quick.close()


def test_closed_it_starts_again(sandbox: Sandbox) -> None:
    assert sandbox.run(ADD).right
    sandbox.close()
    sandbox.close()
    assert sandbox.run(ADD).right


def test_objects_of_the_program_are_used_through_their_handles(sandbox: Sandbox) -> None:
    source = """
class Node:
    def __init__(self, value):
        self.value, self.left = value, None
    def double(self):
        return 2 * self.value
def total(node):
    return 0 if node is None else node.value + total(node.left)
"""
    tests = (
        "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(4)",
        "assert total(root) == 7",
        "assert root.left.value == 2 and root.double() == 2",
        "assert root.left.left.left is None",
        "assert Node(1) != Node(1)",
    )
    assert sandbox.run(Job(source, tests, ("Node", "total"))).right
    outcome = sandbox.run(Job(source, ("Node(1).no_such",), ("Node",)))
    assert "AttributeError" in outcome.failed


OWNER = """
import sys
from selfcorrect_env.sandbox import Job, Sandbox
sandbox = Sandbox(deadline=60, workers=2, isolation=sys.argv[1])
right = Job("def add(a, b):\\n    return a + b", ("assert add(1, 2) == 3",), ("add",))
assert sandbox.run(right).right
print("ready", flush=True)
sandbox.run_all([Job("open('x', 'w').write('x')\\nwhile True: pass", right.tests, right.names)] * 4)
"""


@pytest.mark.parametrize("isolation", ["strong", "basic"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_stays_of_an_owner_that_is_killed(
    isolation: str, number: int, tmp_path: Path
) -> None:
    if isolation == "strong" and missing_for_strong():
        pytest.skip("this machine cannot isolate")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, isolation],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    with owner.stdout as output:
        assert output.readline() == b"ready\n"
        warm, end = [], time.monotonic() + 30
        while len(warm) < 2 and time.monotonic() < end:  # a zygote and a checker
            time.sleep(0.1)
            warm = children_of(owner.pid)
        time.sleep(0.5)
        owner.send_signal(number)
        owner.wait(30)
    assert warm
    end = time.monotonic() + 20
    while (any(map(exists, warm)) or list(tmp_path.iterdir())) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(exists, warm))
    assert not list(tmp_path.iterdir())


def exists(process: int) -> bool:
    return os.path.exists(f"/proc/{process}")
