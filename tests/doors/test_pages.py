"""The complete runs of the pages of libraries that are installed beside ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doors import user_lines

PAGES = Path(__file__).parents[2] / "docs" / "trainers"
LIMIT = 15


def run(page: str, folder: Path, **replaced: str) -> str:
    """Run the first block under "A complete run" in a process and a folder of its own."""
    text = (PAGES / page).read_text(encoding="utf-8").partition("## A complete run")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    code = found[1]
    for old, new in replaced.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    (folder / "block.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "block.py"],
        cwd=folder,
        env={**os.environ, "SELFCORRECT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["gymnasium.md", "stable-baselines3.md"])
def test_a_run_takes_few_lines(page: str) -> None:
    lines = user_lines(PAGES / page, "A complete run")
    assert lines is not None
    assert lines < LIMIT


def test_gymnasium(tmp_path: Path) -> None:
    lines = run("gymnasium.md", tmp_path).splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r"\['[ic]->[ic]', .*\] \[.*\]", line) for line in lines)


def test_stable_baselines3(tmp_path: Path) -> None:
    """With a tiny model that is pre-trained for two steps, to save time."""
    pytest.importorskip("stable_baselines3")
    printed = run(
        "stable-baselines3.md", tmp_path, tiny="tiny:steps=2,hidden_size=16,layers=1,heads=2"
    )
    assert "20" in printed
    assert (tmp_path / "runs" / "best" / "best_model.zip").exists()


def test_a_missing_library_is_named_by_its_plugin() -> None:
    code = "import sys; sys.modules['verifiers'] = None; import selfcorrect_vf"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "selfcorrect-env[verifiers]"' in done.stderr.splitlines()[-1]
