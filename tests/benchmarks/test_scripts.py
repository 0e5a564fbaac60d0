"""Every benchmark starts: its imports exist, and it says what it measures."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARED = {"expected_metrics.py", "stand_in_server.py", "trials.py"}
"""Modules that scripts import; they are no scripts."""

HELP_OF_EACH = """
import os, runpy, sys, traceback
import torch, transformers  # once for all scripts
for path in sys.argv[1:]:
    if (child := os.fork()) == 0:
        sys.stdout = sys.stderr = open(os.path.basename(path) + ".txt", "w")
        sys.argv, sys.path[0] = [path, "--help"], os.path.dirname(path)
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as exit:
            sys.stdout.flush()
            os._exit(exit.code or 0)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(99)
    print(os.path.basename(path), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Runs every script with --help in a process forked from one that has imported torch."""


@pytest.mark.slow
def test_every_script_starts(tmp_path: Path) -> None:
    scripts = sorted(path for path in BENCHMARKS.glob("*.py") if path.name not in SHARED)
    assert {path.name for path in scripts} | SHARED == {p.name for p in BENCHMARKS.glob("*.py")}
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_EACH, *map(str, scripts)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{path.name} 0" for path in scripts], "".join(
        path.read_text() for path in tmp_path.glob("*.txt")
    )
    silent = [p.name for p in tmp_path.glob("*.txt") if "usage" not in p.read_text().lower()]
    assert silent == []


def test_the_readme_names_every_file() -> None:
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in BENCHMARKS.glob("*.py") if f"`{path.name}`" not in text]
    assert missing == []
