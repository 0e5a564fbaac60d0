"""HumanEval+, MBPP sanitized and MBPP+, from rows of their columns that this file writes itself."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from selfcorrect_env import ProblemSetError, UnknownNameError
from selfcorrect_env.errors import ProblemSetWarning
from selfcorrect_env.problems import humaneval, mbpp_variants
from selfcorrect_env.problems.hub import PINNED
from selfcorrect_env.verifiers import get_verifier

pytestmark = pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")

ASSERTION = """\
import {module}
from math import inf

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    return False

def assertion(out, exp, atol):
    exact_match = out == exp
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert {close}
    else:
        assert exact_match
"""
NUMPY = ASSERTION.format(module="numpy as np", close="np.allclose(out, exp, rtol=1e-07, atol=atol)")
PLAIN = ASSERTION.format(module="math", close="math.isclose(out, exp, rel_tol=1e-7, abs_tol=atol)")
NUMPY = ASSERTION.format(module="numpy as np", close="np.allclose(out, exp, rtol=1e-07, atol=atol)")


def plus_row(task: int, header: str = PLAIN, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": task,
        "code": f"def scaled(n, by={task}):\n    return n * by / 2",
        "prompt": f"Write a function to halve {task} times a number.",
        "source_file": "x.ipynb",
        "test_imports": [],
        "test_list": [f"assert scaled(2) == {task}", f"assert scaled(4) == {2 * task}"],
        "test": (
            f"{header}\n\ninputs = [[2], [4], [7, 1]]\n"
            f"results = [{float(task)}, {2.0 * task}, 3.5]\n"
            "for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
            "    assertion(scaled(*inp), exp, 0)\n"
        ),
        **changes,
    }


def sanitized_row(task: int, **changes: Any) -> dict[str, Any]:
    row = plus_row(task, **changes)
    del row["test"]
    return row


HUMANEVAL_ROW = {
    "task_id": "HumanEval/0",
    "prompt": (
        'from typing import List\n\n\ndef total(xs: List[float]) -> float:\n    """The sum."""\n'
    ),
    "entry_point": "total",
    "canonical_solution": "    return float(sum(xs))\n",
    "test": (
        f"{PLAIN}\n\ndef check(candidate):\n    inputs = [[[1.0, 2.0]], [[]], [[0.1] * 10]]\n"
        "    results = [3.0, 0.0, 1.0]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
        "        assertion(candidate(*inp), exp, 0)\n"
    ),
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def right(problem, program: str) -> bool:  # type: ignore[no-untyped-def]
    verdict = get_verifier("code").verify(problem, f"```python\n{program}\n```")
    assert verdict.judged, verdict
    return verdict.correct


# -- HumanEval+ ----------------------------------------------------------------------------------
def test_a_row_of_humaneval_plus_becomes_a_problem(tmp_path: Path) -> None:
    (problem,) = humaneval.load_plus(path=write(tmp_path / "h.jsonl", [HUMANEVAL_ROW]))
    assert problem.id == "HumanEval/0"
    assert right(problem, problem.reference)
    assert right(problem, "    return sum(xs, 0.0)")
    assert not right(problem, "def total(xs):\n    return 3.0")
    assert not right(problem, "    return sum(xs) + 1e-3")


def test_humaneval_plus_is_not_taken_from_humanevals_package_or_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setenv(humaneval.VARIABLE, str(write(tmp_path / "h.jsonl", [HUMANEVAL_ROW])))
    monkeypatch.delenv(humaneval.PLUS_VARIABLE, raising=False)
    with pytest.raises(ProblemSetError, match=r"HumanEval\+ is not available.*HUMANEVALPLUS"):
        humaneval.load_plus()
    monkeypatch.setenv(humaneval.PLUS_VARIABLE, str(tmp_path / "h.jsonl"))
    assert humaneval.load_plus().name == "HumanEval+"


# -- MBPP+ and MBPP sanitized --------------------------------------------------------------------
def test_a_row_of_mbpp_plus_becomes_a_problem(tmp_path: Path) -> None:
    (problem,) = mbpp_variants.load_plus(path=write(tmp_path / "m.jsonl", [plus_row(3)]))
    assert problem.id == "3"
    assert "assert scaled(4) == 6" in problem.prompt
    assert "3.5" not in problem.prompt, "the further tests are not shown"
    assert right(problem, problem.reference)
    shown_only = "def scaled(n, by=3):\n    return {2: 3.0, 4: 6}.get(n, 0)"
    assert not right(problem, shown_only)


def test_tests_that_import_numpy_are_judged(tmp_path: Path) -> None:
    """As EvalPlus writes them: numpy is there for the tests, not for the program."""
    (problem,) = mbpp_variants.load_plus(path=write(tmp_path / "m.jsonl", [plus_row(3, NUMPY)]))
    assert right(problem, problem.reference)
    assert right(problem, "def scaled(n, by=3):\n    return n * by / 2 + 1e-9")
    assert not right(problem, "def scaled(n, by=3):\n    return n * by / 2 + 1e-3")
    assert not right(problem, "import numpy\ndef scaled(n, by=3):\n    return n * by / 2")


def test_mbpp_plus_has_one_split() -> None:
    with pytest.raises(UnknownNameError, match="test"):
        mbpp_variants.load_plus("train")


def test_mbpp_sanitized_is_split_by_task(tmp_path: Path) -> None:
    rows = [sanitized_row(task) for task in (5, 11, 510, 511, 700)]
    path = tmp_path / "sanitized-mbpp.json"
    path.write_text(json.dumps(rows))  # as its authors publish it: one JSON list
    splits = {
        split: [p.id for p in mbpp_variants.load_sanitized(split, path=path)]
        for split in ("prompt", "test", "validation", "train")
    }
    assert splits == {
        "prompt": ["5"],
        "test": ["11", "510"],
        "validation": ["511"],
        "train": ["700"],
    }


def test_a_row_of_mbpp_sanitized_becomes_a_problem(tmp_path: Path) -> None:
    row = sanitized_row(
        11,
        test_imports=["import math", "from collections import Counter"],
        test_list=["assert math.isclose(scaled(2), 11.0)", "assert Counter([scaled(2)])[11.0]"],
    )
    (problem,) = mbpp_variants.load_sanitized(path=write(tmp_path / "m.jsonl", [row]))
    assert problem.metadata["names"] == ["scaled"]
    assert problem.metadata["text"] == row["prompt"]
    assert right(problem, problem.reference)
    assert not right(problem, "def scaled(n):\n    return 0.0")


@pytest.mark.parametrize(("split", "size"), list(mbpp_variants.SANITIZED_SIZES.items()))
def test_sets_of_another_size_are_said_to_be_one(tmp_path: Path, split: str, size: int) -> None:
    first = {"prompt": 2, "test": 11, "validation": 511, "train": 601}[split]
    path = write(tmp_path / "m.jsonl", [sanitized_row(first)])
    with pytest.warns(ProblemSetWarning, match=f"published with {size}"):
        mbpp_variants.load_sanitized(split, path=path)
    with pytest.warns(ProblemSetWarning, match="published with 378"):
        mbpp_variants.load_plus(path=write(tmp_path / "p.jsonl", [plus_row(3)]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task_id": "11"}, "'task_id'"),
        ({"test_list": "assert True"}, "'test_list'"),
        ({"test_list": []}, "no test"),
        ({"test_list": ["assert 1 == 1"]}, "no name"),
        ({"code": None}, "'code'"),
        ({"code": "def scaled(:"}, "invalid Python"),
        ({"prompt": None}, "'prompt'"),
        ({"test_imports": ["import math", 3]}, "'test_imports'"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "m.jsonl", [sanitized_row(11, **changes)])
    with pytest.raises(ProblemSetError, match=said):
        mbpp_variants.load_sanitized(path=path)


@pytest.mark.parametrize(
    ("id", "row"),
    [
        ("SelfCorrect-HumanEvalPlus-v0", HUMANEVAL_ROW),
        ("SelfCorrect-MBPPSanitized-v0", sanitized_row(11)),
        ("SelfCorrect-MBPPPlus-v0", plus_row(11)),
    ],
)
def test_the_environment_pays_for_the_reference(
    tmp_path: Path, id: str, row: dict[str, Any]
) -> None:
    env = gym.make(id, path=str(write(tmp_path / "test.jsonl", [row])))
    env.reset(options={"index": 0})
    reference = env.unwrapped.problems[0].reference  # type: ignore[attr-defined]
    assert env.step("no program")[1] == 0.0
    assert env.step(f"```python\n{reference}\n```")[1] == 1.0
    env.close()


def test_every_set_of_the_hub_has_a_pinned_revision() -> None:
    for repo in ("evalplus/humanevalplus", "evalplus/mbppplus", "codeparrot/apps"):
        assert len(PINNED[repo]) == 40
    page = Path(__file__).parents[3] / "docs" / "environments" / "data.md"
    docs = page.read_text("utf-8")
    for repo, revision in PINNED.items():
        assert f"| `{repo}` | `{revision}` |" in docs
