"""``selfcorrect serve`` where OpenEnv is not installed; the server itself: ``tests/doors``."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("selfcorrect")


def serve(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), "serve", *words], capture_output=True, text=True, check=False
    )


def test_the_help_teaches() -> None:
    done = serve("--help")
    assert done.returncode == 0
    for word in ("--port", "--sessions", "/ws", "SelfCorrectClient", "openenv validate --url"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "env"),
        (("--env", "SelfCorrect-Arithmetic-v0", "--sessions", "0"), "--sessions must be at least"),
        (("--env", "SelfCorrect-Arithmetic-v0", "--port", "x"), "--port"),
        (("--env", "SelfCorrect-Arithmetic-v0"), 'pip install "selfcorrect-env[openenv]"'),
    ],
)
@pytest.mark.skipif(find_spec("openenv") is not None, reason="OpenEnv is installed")
def test_errors_are_one_line(words: tuple[str, ...], told: str) -> None:
    done = serve(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
