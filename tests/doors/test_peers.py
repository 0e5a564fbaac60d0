"""The tests of peers that cannot share our environment, each run in the peer's own."""

import os
import subprocess
from pathlib import Path

import pytest
from peer_environments import PEERS, interpreter

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 500


@pytest.mark.parametrize("peer", PEERS)
def test_the_tests_of_a_peer_pass_in_its_environment(peer: str) -> None:
    python = interpreter(peer)
    if not python.exists():
        pytest.skip(f"{peer} is not installed: python scripts/peer_environments.py {peer}")
    files = sorted(Path(__file__).parent.glob(f"test_{peer}*.py"))
    assert files
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)]
    done = subprocess.run(
        [str(python), *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout, done.stdout
