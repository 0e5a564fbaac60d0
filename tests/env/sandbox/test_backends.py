"""Programs elsewhere than on this machine: by name, by import path, and in containers."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import attacks  # beside this file: see pythonpath in pyproject.toml
import pytest

from selfcorrect_env.errors import SandboxError, UnknownNameError
from selfcorrect_env.sandbox import Backend, Job, Outcome, Sandbox, open_backend
from selfcorrect_env.sandbox.container import ContainerSandbox
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers import CodeVerifier

STAND_IN = str(Path(__file__).with_name("stand_in_runtime.py"))
OPTIONS = {"deadline": 5.0, "workers": 1, "memory": 2**29, "isolation": "strong"}
TESTS, NAMES = ("assert add(1, 2) == 3",), ("add",)
RIGHT = Job("def add(a, b):\n    return a + b", TESTS, NAMES)
WRONG = Job("def add(a, b):\n    return a - b", TESTS, NAMES)
PROBLEM = Problem(
    id="add",
    prompt="Write add(a, b).",
    reference=RIGHT.source,
    metadata={"tests": list(TESTS), "names": list(NAMES)},
)


class Far:
    """A backend of another package: it judges by length."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.closed = False

    def run_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        return [
            Outcome(len(job.source) % 2, 1, "" if len(job.source) % 2 else "no") for job in jobs
        ]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "containers"


@pytest.fixture
def contained(log: Path):
    runtime = (sys.executable, STAND_IN, str(log))
    sandbox = ContainerSandbox(runtime, deadline=3.0, workers=2)
    yield sandbox
    sandbox.close()


def test_backends_by_name_path_and_object() -> None:
    local = open_backend("local", **{**OPTIONS, "isolation": "basic"})
    assert isinstance(local, Sandbox)
    assert isinstance(local, Backend)
    sys.modules["far_away"] = sys.modules[Far.__module__]
    far = open_backend("far_away:Far", **OPTIONS)
    assert isinstance(far, sys.modules[Far.__module__].Far)
    assert far.options == OPTIONS
    own = Far()
    assert open_backend(own, **OPTIONS) is own
    with pytest.raises(UnknownNameError, match="docker"):
        open_backend("dokcer", **OPTIONS)
    with pytest.raises(SandboxError, match="run_all"):
        open_backend("builtins:dict", **OPTIONS)


def test_the_verifier_uses_its_backend() -> None:
    far = Far()
    verifier = CodeVerifier(backend=far)
    replies = ["def add(a, b):\n    return 1", "def add(a, b):\n    return 10"]
    expected = [len(reply) % 2 == 1 for reply in replies]
    verdicts = verifier.verify_batch([PROBLEM] * 2, replies)
    assert [verdict.correct for verdict in verdicts] == expected
    verifier.close()
    assert far.closed


def test_a_runtime_that_is_not_there_is_refused() -> None:
    with pytest.raises(SandboxError, match="no-such-runtime"):
        ContainerSandbox(("no-such-runtime",))
    with pytest.raises(SandboxError, match="fails in a container"):
        ContainerSandbox(("false",))


def test_containers_judge_programs(contained: ContainerSandbox, log: Path) -> None:
    outcomes = contained.run_all([RIGHT, WRONG] * 20)
    assert [outcome.right for outcome in outcomes] == [True, False] * 20
    assert 1 <= len(log.read_text().split()) <= 4  # a trial, and one for each worker


@pytest.mark.parametrize("what", [*attacks.FORGERIES][::3])
def test_no_verdict_is_forged_in_a_container(contained: ContainerSandbox, what: str) -> None:
    outcome = contained.run(Job(attacks.FORGERIES[what], TESTS, NAMES))
    assert not outcome.right
    assert not outcome.broken


def test_programs_of_a_container_end_in_time_and_leave_it_whole(
    contained: ContainerSandbox,
) -> None:
    for source in ("while True:\n    pass", "import time\ntime.sleep(60)"):
        assert contained.run(Job(source, TESTS, NAMES)).timeout
    large = "def add(a, b):\n    return 'x' * 10**7"
    assert contained.run(Job(large, ("assert len(add(1, 2)) == 10**7",), NAMES)).right
    flood = "import os\nwhile True:\n    os.write(4, b'x' * 65536)"
    assert not contained.run(Job(flood, TESTS, NAMES)).right
    assert contained.run(RIGHT).right


def test_scripts_in_containers(contained: ContainerSandbox) -> None:
    for _ in range(5):
        assert contained.run(RIGHT).right
        outcome = contained.run(Job("print(int(input()) * 2)", (), (), stdin="21\n"))
        assert (outcome.output, outcome.failed) == ("42\n", "")
    source = "import sys\nprint(len(sys.stdin.read()))\nprint('y' * 3_000_000)"
    outcome = contained.run(Job(source, (), (), stdin="x" * 5_000_000))
    assert outcome.output.startswith("5000000\nyyy")
    assert len(outcome.output) == 3_000_009


def test_a_container_that_is_killed_is_replaced(contained: ContainerSandbox, log: Path) -> None:
    assert contained.run(RIGHT).right
    for process in log.read_text().split():
        try:
            os.kill(int(process), signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert [outcome.right for outcome in contained.run_all([RIGHT, WRONG] * 4)] == [True, False] * 4


def test_containers_end_with_the_sandbox(contained: ContainerSandbox, log: Path) -> None:
    before = threading.active_count()
    assert all(outcome.right for outcome in contained.run_all([RIGHT] * 8))
    contained.close()
    end = time.monotonic() + 20
    processes = [Path(f"/proc/{word}") for word in log.read_text().split()]
    while any(map(Path.exists, processes)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(Path.exists, processes))
    assert threading.active_count() <= before + 2


def test_a_verifier_in_containers(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``docker`` is found on the path, like any command."""
    command = log.parent / "docker"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} {log} "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    verifier = CodeVerifier(backend="docker", workers=1)
    assert verifier.verify(PROBLEM, RIGHT.source).correct
    assert not verifier.verify(PROBLEM, WRONG.source).correct
    verifier.close()
    assert log.read_text()
