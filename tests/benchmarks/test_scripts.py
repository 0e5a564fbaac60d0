"""Every benchmark starts: its imports exist, and it says what it measures."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = {"expected_metrics.py", "stand_in_server.py", "trials.py"}
"""Modules that scripts import; they are no scripts."""


def test_there_are_scripts() -> None:
    assert {path.name for path in BENCHMARKS.glob("*.py")} > SHARED


@pytest.mark.parametrize("script", sorted({path.name for path in BENCHMARKS.glob("*.py")} - SHARED))
def test_a_script_starts(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_the_readme_names_every_file() -> None:
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in BENCHMARKS.glob("*.py") if f"`{path.name}`" not in text]
    assert missing == []
