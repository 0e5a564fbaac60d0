"""The tests of peers that cannot share our environment, each run in the peer's own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peer_environments import PEERS, interpreter, is_being_installed, is_installed

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 500


def installed(peer: str) -> Path:
    """The Python of a peer's environment; without one the test is skipped."""
    deadline = time.monotonic() + SECONDS
    while is_being_installed(peer) and time.monotonic() < deadline:
        time.sleep(1)
    if not is_installed(peer):
        pytest.skip(f"{peer} is not installed: python scripts/peer_environments.py {peer}")
    return interpreter(peer)


@pytest.mark.parametrize("peer", [name for name, peer in PEERS.items() if peer.modules])
def test_the_types_of_what_imports_a_peer(peer: str) -> None:
    python, pyright = installed(peer), Path(sys.executable).with_name("pyright")
    done = subprocess.run(
        [str(pyright), "--pythonpath", str(python), *PEERS[peer].modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("peer", PEERS)
def test_the_tests_of_a_peer_pass_in_its_environment(peer: str) -> None:
    python = installed(peer)
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
