"""Imports point down only. Each contract is seen to break on a planted violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENV = "The environment's imports point down only"
LEARNING = "The agents' imports point down only"
METHODS = "Methods never import each other"
AGENTS = "agents/selfcorrect_agents"
PLANTS = [
    ("selfcorrect_env/evaluation/metrics.py", "import torch", "neither torch nor the agents"),
    ("selfcorrect_env/env.py", "import selfcorrect_agents", "neither torch nor the agents"),
    ("selfcorrect_env/types.py", "import selfcorrect_env.env", ENV),
    ("selfcorrect_env/env.py", "import selfcorrect_env.evaluation.metrics", ENV),
    ("selfcorrect_env/verifiers/base.py", "import selfcorrect_env.problems", ENV),
    ("selfcorrect_env/a_new_module.py", "", ENV),
    (f"{AGENTS}/methods/score/score.py", "import selfcorrect_agents.methods.multiturn_rl", METHODS),
    (f"{AGENTS}/methods/reference/null.py", "import selfcorrect_agents.methods.base", METHODS),
    (f"{AGENTS}/lm/conversations.py", "import selfcorrect_agents.methods.prompting", LEARNING),
    (f"{AGENTS}/rl/objectives.py", "import selfcorrect_agents.training.trainer", LEARNING),
    (f"{AGENTS}/a_new_module.py", "", LEARNING),
    (
        f"{AGENTS}/comparison/plan/cells.py",
        "import selfcorrect_agents.comparison.report.page",
        "A comparison's imports point down only",
    ),
]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts on the packages that lie under ``folder``."""
    tool = Path(sys.executable).with_name("lint-imports")
    paths = os.pathsep.join([str(folder), str(folder / "agents")])
    return subprocess.run(
        [str(tool), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of both packages that may be spoiled."""
    for name in ("selfcorrect_env", "agents"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("file", "line", "contract"), PLANTS)
def test_a_planted_violation_is_found(copy: Path, file: str, line: str, contract: str) -> None:
    with (copy / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    broken = [row for row in done.stdout.splitlines() if row.rstrip().endswith("BROKEN")]
    assert any(contract in row for row in broken), done.stdout


def test_ruff_bans_torch_from_the_environment(copy: Path) -> None:
    (copy / "selfcorrect_env" / "types.py").write_text("import torch\n", encoding="utf-8")
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run(
        [str(ruff), "check", "--no-cache", "--select", "TID251", "."],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "selfcorrect_env never imports torch" in done.stdout
