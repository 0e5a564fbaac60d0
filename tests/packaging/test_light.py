"""The import and the console script are light: the promise of the core package."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "transformers", "sympy", "mpmath", "math_verify", "latex2sympy2_extended"),
    *("rich", "tyro", "datasets", "pandas", "pyarrow", "selfcorrect_agents"),
)

SCRIPT = Path(sys.executable).with_name("selfcorrect")


def heavy_after(code: str, tmp_path: Path) -> list[str]:
    """Return which heavy modules a fresh process holds after it ran ``code``."""
    probe = f"{code}\nimport sys\nprint('loaded:', *(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    return done.stdout.rsplit("loaded:", 1)[1].split()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import selfcorrect_env", id="import"),
        pytest.param(
            "import gymnasium\ngymnasium.make('selfcorrect_env:SelfCorrect-Arithmetic-v0').reset()",
            id="make and reset the default environment",
        ),
        pytest.param("from selfcorrect_env.cli.main import main\nmain(['--help'])", id="help"),
    ],
)
def test_light_work_loads_nothing_heavy(code: str, tmp_path: Path) -> None:
    assert heavy_after(code, tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["train", "--help"], id="train"),
        pytest.param(["train", "score", "--help"], id="train score"),
        pytest.param(["train", "sft", "--help"], id="train sft"),
        pytest.param(["train", "sb3_ppo", "--help"], id="train sb3_ppo"),
        pytest.param(["compare", "--help"], id="compare"),
        pytest.param(["quickstart", "--help"], id="quickstart"),
    ],
)
def test_the_help_of_the_agents_commands_loads_no_torch(words: list[str], tmp_path: Path) -> None:
    code = (
        "from selfcorrect_env.cli.main import main\n"
        f"try: main({words})\n"
        "except SystemExit as ended: assert not ended.code"
    )
    assert not {"torch", "transformers", "sympy"} & {*heavy_after(code, tmp_path)}


def test_importing_the_agents_loads_no_torch(tmp_path: Path) -> None:
    code = "import selfcorrect_agents\nselfcorrect_agents.SCoReConfig()\n"
    assert not {"torch", "transformers"} & {*heavy_after(code, tmp_path)}


def test_the_probe_sees_a_heavy_module(tmp_path: Path) -> None:
    assert heavy_after("import rich", tmp_path) == ["rich"]


def test_help_names_every_command() -> None:
    done = subprocess.run([str(SCRIPT), "--help"], check=True, capture_output=True, text=True)
    for command in ("quickstart", "train", "eval", "play", "list"):
        assert f"\n  {command} " in done.stdout
