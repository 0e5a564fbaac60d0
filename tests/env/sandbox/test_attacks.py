"""Nothing passes that does not solve, nothing gets out, nothing is left behind."""

import os
import time
from pathlib import Path

import attacks  # beside this file: see pythonpath in pyproject.toml
import pytest

from selfcorrect_env.sandbox import Job, Sandbox, best_layers, missing_for_strong

TESTS = (
    "assert add(2, 3) == 5",
    "assert add(1, 1) == 2 and abs(add(0, 0)) == 0",
    "assert add(4, 5) == 9",
)

pytestmark = pytest.mark.skipif(
    bool(missing_for_strong()), reason=f"this machine cannot isolate: {missing_for_strong()}"
)


def job(source: str) -> Job:
    return Job(source, TESTS, ("add",))


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(deadline=10.0)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def impatient():
    sandbox = Sandbox(deadline=0.5)
    yield sandbox
    sandbox.close()


def is_of_a_sandbox(process: int) -> bool:
    try:
        return b"bare_interpreter.py" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def started_by(process: int) -> set[int]:
    """The processes of sandboxes that a process started, directly or not."""
    found: set[int] = set()
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            if is_of_a_sandbox(child):
                found |= {child} | started_by(child)
    return found


def test_there_are_attacks_enough() -> None:
    kinds = (attacks.FORGERIES, attacks.HOGS, attacks.EATERS, attacks.ESCAPES)
    assert sum(map(len, kinds)) >= 80


def test_an_honest_program_passes(sandbox: Sandbox) -> None:
    outcome = sandbox.run(job(attacks.HONEST))
    assert outcome.right
    assert (outcome.passed, outcome.total, outcome.failed) == (3, 3, "")


@pytest.mark.parametrize("what", attacks.FORGERIES)
def test_no_verdict_is_forged(sandbox: Sandbox, what: str) -> None:
    outcome = sandbox.run(job(attacks.FORGERIES[what]))
    assert not outcome.right
    assert not outcome.broken
    assert outcome.failed


@pytest.mark.parametrize("what", attacks.HOGS)
def test_time_has_an_end(impatient: Sandbox, what: str) -> None:
    impatient.run(job(attacks.HONEST))  # the warm processes have started
    start = time.monotonic()
    outcome = impatient.run(job(attacks.HOGS[what]))
    assert time.monotonic() - start < impatient.deadline + 5
    assert outcome.timeout
    assert not outcome.right
    assert not outcome.broken


@pytest.mark.parametrize("what", attacks.EATERS)
def test_memory_has_an_end(sandbox: Sandbox, what: str) -> None:
    outcome = sandbox.run(job(attacks.EATERS[what]))
    assert not outcome.right
    assert not outcome.broken


@pytest.mark.parametrize("what", attacks.ESCAPES)
def test_nothing_gets_out(
    sandbox: Sandbox, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack raises before it defines ``add``; if it got what it wants, the tests pass."""
    monkeypatch.setenv("SELFCORRECT_SECRET", "x")
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    mode = secret.stat().st_mode
    source = f"SECRET = {str(secret)!r}\n{attacks.ESCAPES[what]}\n{attacks.HONEST}"
    outcome = sandbox.run(job(source))
    assert not outcome.right
    assert not outcome.broken
    assert secret.read_text() == "the secret"
    assert secret.stat().st_mode == mode
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert not Path("/tmp/selfcorrect-escaped").exists()


def test_the_escapes_would_work_outside() -> None:
    """In 'basic' isolation a program reads what its owner can: the tests above test something."""
    basic = Sandbox(isolation="basic")
    outcome = basic.run(job(f"{attacks.ESCAPES['reads /etc/passwd']}\n{attacks.HONEST}"))
    assert outcome.right
    basic.close()


def test_a_program_leaves_no_trace_for_the_next(sandbox: Sandbox) -> None:
    first = "import builtins, os\nbuiltins.left = 5\n"
    if best_layers(strong=True).namespaces:  # otherwise there is no folder to write in
        first += "open('left', 'w').write('5')\n"
    assert sandbox.run(job(first + attacks.HONEST)).right
    for source in (
        "add = lambda a, b: left",
        "import os\nassert 'left' in os.listdir('.')\n" + attacks.HONEST,
        "add = lambda a, b: int(open('left').read())",
    ):
        outcomes = [sandbox.run(job(source)) for _ in range(3)]
        assert not any(outcome.right for outcome in outcomes)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no descriptor, no folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before, descriptors = started_by(os.getpid()), len(os.listdir("/proc/self/fd"))
    sandbox = Sandbox(deadline=0.5)
    sources = [*attacks.HOGS.values(), *attacks.ESCAPES.values(), attacks.HONEST]
    sandbox.run_all([job(f"SECRET = '/none'\n{source}") for source in sources])
    warm = started_by(os.getpid()) - before
    assert warm
    sandbox.close()
    end = time.monotonic() + 10
    while any(map(is_of_a_sandbox, warm)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_of_a_sandbox, warm))
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert not list(tmp_path.iterdir())
