"""Repair of wrong programs: made by one change each, or given in a file."""

import ast
import json
from pathlib import Path

import gymnasium as gym
import pytest

import selfcorrect_env  # noqa: F401 - registers the ids
from selfcorrect_env import ProblemSetError, evaluate
from selfcorrect_env.problems import mbpp_r
from selfcorrect_env.problems.mutants import mutants
from selfcorrect_env.sandbox import missing_for_strong

pytestmark = pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")

RIGHT = """\
def largest(values):
    best = values[0]
    for v in values:
        if v > best:
            best = v
    return best
"""
TESTS = [
    "assert largest([1, 3, 2]) == 3",
    "assert largest([5]) == 5",
    "assert largest([-2, -1]) == -1",
]


@pytest.fixture
def mbpp_file(tmp_path: Path) -> Path:
    rows = [
        {
            "task_id": task,
            "text": "Write a function to find the largest of some numbers.",
            "code": RIGHT,
            "test_setup_code": "",
            "test_list": TESTS,
            "challenge_test_list": [],
        }
        for task in (11, 12, 13)
    ]
    path = tmp_path / "mbpp.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_mutant_differs_in_one_place() -> None:
    found = mutants(RIGHT, "seed")
    assert len(found) >= 5
    assert len(set(found)) == len(found)
    assert mutants(RIGHT, "seed") == found != mutants(RIGHT, "other")
    assert sorted(found) == sorted(mutants(RIGHT, "other"))
    for program in found:
        assert ast.dump(ast.parse(program)) != ast.dump(ast.parse(RIGHT))
        changed = set(program.splitlines()) ^ set(ast.unparse(ast.parse(RIGHT)).splitlines())
        assert 1 <= len(changed) <= 3, program  # a loop of three lines may go


@pytest.mark.skipif(bool(missing_for_strong()), reason="this machine cannot isolate")
def test_made_programs_are_wrong_and_can_be_repaired(mbpp_file: Path) -> None:
    env = gym.make("SelfCorrect-MBPP-R-v0", path=mbpp_file)
    problems = env.unwrapped.problems  # type: ignore[attr-defined]
    assert problems.name == "MBPP-R-mutants"
    assert len(problems) == 3
    conversation, _ = env.reset(options={"index": 0})
    wrong = problems[0].metadata["first_attempt"]
    assert [message["role"] for message in conversation] == ["user", "assistant", "user"]
    assert conversation[1]["content"] == wrong
    assert "There might be an error in the code above" in conversation[2]["content"]
    report = evaluate(lambda conversation: RIGHT, env)
    assert [metric.value for metric in report.metrics.accuracy] == [1.0]
    report = evaluate(lambda conversation: conversation[1]["content"], env)
    assert [metric.value for metric in report.metrics.accuracy] == [0.0]


def test_given_programs(mbpp_file: Path, tmp_path: Path) -> None:
    programs = tmp_path / "wrong.jsonl"
    rows = [
        {"task_id": task, "program": f"def largest(values):\n    return {n}\n"}
        for n, task in enumerate((11, 13, 11, 700))
    ]
    programs.write_text("\n".join(map(json.dumps, rows)))
    problems = mbpp_r.load(path=mbpp_file, programs=programs)
    assert problems.name == "MBPP-R"
    assert [problem.id for problem in problems] == ["11/0", "13/0", "11/1"]
    assert problems[2].metadata["first_attempt"].endswith("return 2\n")
    with pytest.raises(ProblemSetError, match="no program"):
        mbpp_r.load("validation", path=_of_validation(mbpp_file, tmp_path), programs=programs)
    programs.write_text('{"task_id": 11}')
    with pytest.raises(ProblemSetError, match="'program'"):
        mbpp_r.load(path=mbpp_file, programs=programs)


def _of_validation(path: Path, folder: Path) -> Path:
    other = folder / "validation.jsonl"
    other.write_text(path.read_text().replace('"task_id": 11', '"task_id": 511'))
    return other
