"""Every example runs, as its docstring says; the package installs and is found by its names."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = "tiny:steps=2,hidden_size=16,layers=1,heads=2"


def run(*command: object, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_example(name: str, *arguments: object, cwd: Path) -> str:
    return run(sys.executable, EXAMPLES / name, *arguments, cwd=cwd, SELFCORRECT_CACHE=str(cwd))


def percent(metric: str, text: str) -> list[float]:
    """Return a metric of every report in a text, in order."""
    return [float(found) for found in re.findall(rf"{re.escape(metric)}\s*│\s*([-+\d.]+)", text)]


def test_every_example_has_a_test() -> None:
    names = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith((".", "__"))}
    assert names == {
        "openenv_space",  # tests/doors/test_openenv.py
        "own_env.py",
        "own_method",
        "own_verifier.py",
        "own_workings.py",  # test_own_workings.py
        "score_in_one_file.py",
        "train_in_python.py",
    }


def test_a_model_is_trained_from_python(tmp_path: Path) -> None:
    options = ("--model", TINY, "--steps", 2, "--problems", 10)
    shown = run_example("train_in_python.py", *options, cwd=tmp_path)
    assert len(percent("accuracy@t2", shown)) == 2


def test_an_environment_is_measured_as_it_is(tmp_path: Path) -> None:
    shown = run_example("own_env.py", "--problems", 100, cwd=tmp_path)
    assert percent("right → wrong (c→i), of all problems", shown) == [5.0, 0.0]
    assert percent("accuracy@t2", shown) == [9.0, 14.0]


def test_a_verifier_passes_the_checks_and_judges(tmp_path: Path) -> None:
    shown = run_example("own_verifier.py", cwd=tmp_path)
    first, second = percent("accuracy@t1", shown) + percent("accuracy@t2", shown)
    assert (first, second) == (33.3, 66.7)
    assert "no answer" in shown


@pytest.mark.slow
def test_score_in_one_file_starts_from_a_saved_model(tmp_path: Path) -> None:
    code = f"from selfcorrect_agents import load_policy; load_policy({TINY!r}).save_pretrained('m')"
    run(sys.executable, "-c", code, cwd=tmp_path, SELFCORRECT_CACHE=str(tmp_path))
    steps = ("--stage-one-steps", 1, "--stage-two-steps", 1, "--test-problems", 10)
    shown = run_example("score_in_one_file.py", "--model", tmp_path / "m", *steps, cwd=tmp_path)
    assert len(percent("accuracy@t2", shown)) == 2
    assert re.findall(r"^step (\d)", shown, flags=re.MULTILINE) == ["1", "2"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into."""
    target = tmp_path_factory.mktemp("installed")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    source = EXAMPLES / "own_method"
    run(sys.executable, "-m", "pip", "install", *offline, "--target", target, source, cwd=target)
    return target


def test_the_package_is_listed(installed: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("selfcorrect")
    listed = json.loads(run(script, "list", "--json", cwd=tmp_path, PYTHONPATH=str(installed)))
    first_line = "RL on the second attempt alone; the first has a KL to the base and no reward."
    assert listed["agents"]["later_rl"] == f"{first_line} (from own-method)"
    assert {"digit-sums", "last-digit"} <= {*listed["problem sets"], *listed["verifiers"]}
    assert "digit-sums" in listed["prompts"]


def test_its_problems_bring_their_verifier_and_prompts(installed: Path, tmp_path: Path) -> None:
    code = (
        "from selfcorrect_env import SelfCorrectEnv, evaluate\n"
        "from selfcorrect_env.testing import check_problem_set, check_verifier\n"
        "train, test = (SelfCorrectEnv('digit-sums', split=s) for s in ('train', 'test'))\n"
        "assert (test.verifier.name, test.prompts.name) == ('last-digit', 'digit-sums')\n"
        "assert not {p.id for p in train.problems} & {p.id for p in test.problems}\n"
        "assert len(train.problems) + len(test.problems) == 90\n"
        "check_problem_set(test.problems, test.verifier)\n"
        "check_verifier('last-digit', test.problems)\n"
        "adds = lambda c: str(sum(int(d) for d in c[0]['content'] if d.isdigit()))\n"
        "assert evaluate(adds, test).metrics.accuracy[-1].value == 1\n"
    )
    run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed))


def test_its_reward_can_be_trusted(installed: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("selfcorrect")
    words = (
        "validate",
        "SelfCorrect-Arithmetic-v0",
        "--problems",
        "digit-sums",
        "--verifier",
        "last-digit",
    )
    found = json.loads(run(script, *words, "--json", cwd=tmp_path, PYTHONPATH=str(installed)))
    assert found["size"] == found["validated"] > 0


def test_its_method_trains(installed: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("selfcorrect")
    sizes = ("--steps", 2, "--problems-per-step", 2, "--samples", 2, "--max-new-tokens", 4)
    variables = {"PYTHONPATH": str(installed), "SELFCORRECT_CACHE": str(tmp_path)}
    options = ("--model", TINY, *sizes, "--out", "run")
    run(script, "train", "later_rl", *options, cwd=tmp_path, **variables)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert (tmp_path / "run" / "model" / "config.json").is_file()
