"""The tests of the environment with the oldest gymnasium that is allowed.

Runs in the environment of the peer: see ``test_peers.py``.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("test_gymnasium.py", "test_env.py", "test_vector_env.py", "test_wrappers.py")

if not version("gymnasium").startswith("1.1."):
    pytest.skip("this is not the oldest gymnasium", allow_module_level=True)


@pytest.mark.parametrize("file", [*FILES, "test_spaces.py", "test_training_env.py"])
def test_a_file_passes(file: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/env/{file}"]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
