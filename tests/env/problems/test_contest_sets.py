"""APPS and LiveCodeBench, from rows of their columns that this file writes itself."""

import base64
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from selfcorrect_env import ProblemSetError, UnknownNameError
from selfcorrect_env.problems import apps, livecodebench
from selfcorrect_env.problems.hub import PINNED
from selfcorrect_env.problems.livecodebench import unpacked
from selfcorrect_env.verifiers import get_verifier

TWICE = "print(2 * int(input()))"
METHOD = "class Solution:\n    def twice(self, n):\n        return 2 * n"


def of_apps(id: int, tests: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": id,
        "question": f"Double a number ({id}).",
        "solutions": json.dumps([TWICE]),
        "input_output": "" if tests is None else json.dumps(tests),
        "difficulty": "introductory",
        "url": "https://example.org",
        "starter_code": "",
        **changes,
    }


STREAMS = {"inputs": ["2\n", "5\n"], "outputs": ["4\n", "10\n"]}
CALLS = {"fn_name": "twice", "inputs": [[2], [5]], "outputs": [[4], [10]]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def right(problem, program: str) -> bool:  # type: ignore[no-untyped-def]
    verdict = get_verifier("stdio").verify(problem, f"```python\n{program}\n```")
    assert verdict.judged, verdict
    return verdict.correct


# -- APPS ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "solved", "not_solved"),
    [
        (of_apps(1, STREAMS), TWICE, "print(4)"),
        (of_apps(2, {"inputs": [["2"], ["5"]], "outputs": [["4"], ["10"]]}), TWICE, "print(4)"),
        (
            of_apps(3, {"inputs": [["1", "2"]], "outputs": [["2", "4"]]}),
            f"{TWICE}\n{TWICE}",
            TWICE,
        ),
        (of_apps(4, CALLS), "def twice(n):\n    return 2 * n", "def twice(n):\n    return 4"),
        (of_apps(5, CALLS, starter_code=f"{METHOD[:40]}:\n"), METHOD, "def twice(n): return 2 * n"),
        (
            of_apps(6, {"fn_name": "pair", "inputs": [[1, "a"]], "outputs": [[[1, "a"]]]}),
            "def pair(a, b):\n    return a, b",
            "def pair(a, b):\n    return b, a",
        ),
        (
            of_apps(7, {"fn_name": "f", "inputs": [[[1, 2]]], "outputs": [[2, 1]]}),
            "def f(xs):\n    return xs[::-1]",
            "def f(xs):\n    return xs",
        ),
        (
            of_apps(8, {"fn_name": "f", "inputs": [[]], "outputs": [None]}),
            "def f():\n    return None",
            "def f():\n    return 0",
        ),
        (
            of_apps(9, {"fn_name": "f", "inputs": [["it's \"\\"]], "outputs": [True]}),
            "def f(s):\n    return len(s) == 7",
            "def f(s):\n    return False",
        ),
        (of_apps(10, {"inputs": [""], "outputs": ["hello"]}), "print('hello')", "print('hell')"),
    ],
)
def test_a_row_of_apps_becomes_a_problem(
    tmp_path: Path, row: dict[str, Any], solved: str, not_solved: str
) -> None:
    (problem,) = apps.load(path=write(tmp_path / "test.jsonl", [row]))
    assert problem.id == str(row["problem_id"])
    assert problem.prompt.startswith("Double a number")
    assert problem.reference == TWICE
    assert right(problem, solved)
    assert not right(problem, not_solved)


STARTER = "class Solution:\n    def largest(self, nums: List[int]) -> Optional[int]:\n        pass"
SOLUTION = STARTER.replace("pass", "return heapq.nlargest(1, nums)[0] if nums else None")


def test_a_method_may_use_what_its_starter_code_uses(tmp_path: Path) -> None:
    """LeetCode imports ``List`` and the like; nothing of Python itself is replaced by them."""
    tests = {"fn_name": "largest", "inputs": [[[3, 8, 5]], [[]]], "outputs": [8, None]}
    row = of_apps(1, tests, starter_code=STARTER, solutions=json.dumps([SOLUTION]))
    (problem,) = apps.load(path=write(tmp_path / "test.jsonl", [row]))
    assert right(problem, SOLUTION)
    assert right(problem, f"from __future__ import annotations\nimport heapq\n{SOLUTION}")
    powers = SOLUTION.replace("heapq.nlargest(1, nums)[0]", "pow(max(nums), 1, 1000)")
    assert right(problem, powers), "math.pow takes two arguments"
    assert not right(problem, SOLUTION.replace("nlargest", "nsmallest"))


def test_integers_of_any_length_are_read(tmp_path: Path) -> None:
    """Python reads and writes 4,300 digits by default."""
    long, square = 10**5000 + 7, (10**5000 + 7) ** 2
    digits = "1" + 4999 * "0" + "7"
    tests = f'{{"fn_name": "f", "inputs": [[{digits}], [-{digits}]], "outputs": [{digits}, 1]}}'
    printed = f'{{"inputs": [{digits}], "outputs": ["{digits}"]}}'
    rows = [of_apps(1, None), of_apps(2, None)]
    rows[0] |= {"input_output": tests, "starter_code": "def f(n):"}
    rows[1] |= {"input_output": printed}
    called, run = apps.load(path=write(tmp_path / "test.jsonl", rows))
    assert right(called, "def f(n):\n    return n if n > 0 else 1")
    assert not right(called, "def f(n):\n    return n + 1 if n > 0 else 1")
    assert run.metadata["inputs"] == [digits]
    assert long < square


def test_the_statement_says_what_is_asked_for(tmp_path: Path) -> None:
    rows = [
        of_apps(1, STREAMS),
        of_apps(2, CALLS),
        of_apps(3, CALLS, starter_code="def twice(n):\n"),
    ]
    streams, function, started = apps.load(path=write(tmp_path / "test.jsonl", rows))
    assert "reads its input from standard input" in streams.prompt
    assert function.prompt.endswith("Write the function 'twice'.")
    assert started.prompt.endswith("```python\ndef twice(n):\n```")
    shown = json.dumps([p.prompt for p in (streams, function, started)])
    assert "assert" not in shown
    assert '"10' not in shown


def test_what_apps_leaves_out(tmp_path: Path) -> None:
    rows = [
        of_apps(1, STREAMS),
        of_apps(2, None),
        of_apps(3, {"inputs": [], "outputs": []}),
        of_apps(4, STREAMS, solutions=""),
        of_apps(5, STREAMS, difficulty="competition"),
        {**of_apps(0, STREAMS), "id": 6, "problem_id": 6},
    ]
    path = write(tmp_path / "test.jsonl", rows)
    assert [p.id for p in apps.load(path=path)] == ["1", "4", "5", "6"]
    assert [p.id for p in apps.load(path=path, solved=True)] == ["1", "5", "6"]
    assert [p.id for p in apps.load(path=path, difficulty="competition")] == ["5"]
    assert apps.load(path=path)[1].reference == ""
    with pytest.raises(ProblemSetError, match="no difficulty 'hard'"):
        apps.load(path=path, difficulty="hard")
    with pytest.raises(ProblemSetError, match="no problem of APPS"):
        apps.load(path=path, difficulty="interview")


def test_a_row_with_the_authors_own_id_column(tmp_path: Path) -> None:
    row = of_apps(0, STREAMS)
    del row["problem_id"]
    (problem,) = apps.load(path=write(tmp_path / "test.jsonl", [{**row, "id": 17}]))
    assert problem.id == "17"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_output": "{"}, r"test\.jsonl, line 1: expected JSON.*'input_output'"),
        ({"input_output": json.dumps({"inputs": ["1"], "outputs": []})}, "as many 'inputs' as"),
        ({"input_output": json.dumps({"inputs": "1", "outputs": "1"})}, "as many 'inputs' as"),
        ({"question": None}, "'question'"),
        ({"solutions": "["}, "'solutions'"),
        (
            {"input_output": json.dumps({**CALLS, "fn_name": "import os"})},
            "'import os' is no name of a function",
        ),
    ],
)
def test_a_broken_row_of_apps_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "test.jsonl", [of_apps(1, STREAMS, **changes)])
    with pytest.raises(ProblemSetError, match=said):
        apps.load(path=path)


def test_the_splits_of_apps_are_files_of_a_folder(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        write(tmp_path / f"{split}.jsonl", [of_apps(number, STREAMS)])
    assert apps.load("train", path=tmp_path)[0].id == "0"
    assert apps.load("test", path=tmp_path)[0].id == "1"
    with pytest.raises(UnknownNameError):
        apps.load("validation", path=tmp_path)


@pytest.mark.parametrize("module", [apps, livecodebench])
def test_a_set_that_cannot_be_had_says_how(module, monkeypatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv(module.VARIABLE, raising=False)
    with pytest.raises(ProblemSetError, match=rf"Three ways.*{module.VARIABLE}=FILE"):
        module.load()


def test_the_environment_pays_for_a_right_program(tmp_path: Path) -> None:
    path = write(tmp_path / "test.jsonl", [of_apps(1, STREAMS), of_apps(2, CALLS)])
    env = gym.make("SelfCorrect-APPS-v0", path=str(path))
    env.reset(options={"index": 0})
    assert env.step("```python\nprint(4)\n```")[1] == 0.0
    assert env.step(f"```python\n{TWICE}\n```")[1] == 1.0
    env.reset(options={"index": 1})
    assert env.step("```python\ndef twice(n):\n    return n + n\n```")[1] == 1.0
    env.close()


# -- LiveCodeBench -------------------------------------------------------------------------------
def case(given: str, expected: str, kind: str = "stdin") -> dict[str, str]:
    return {"input": given, "output": expected, "testtype": kind}


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def of_lcb(id: str, public: list[Any], private: list[Any], **changes: Any) -> dict[str, Any]:
    return {
        "question_title": "Double",
        "question_content": "Double a number.",
        "platform": "atcoder",
        "question_id": id,
        "contest_id": "abc301",
        "contest_date": "2024-09-01T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(public),
        "private_test_cases": packed(json.dumps(private)),
        "metadata": "{}",
        **changes,
    }


LEETCODE = {"starter_code": f"{METHOD[:40]}:\n", "metadata": json.dumps({"func_name": "twice"})}


@pytest.mark.parametrize(
    ("row", "solved", "not_solved"),
    [
        (of_lcb("a", [case("2\n", "4\n")], [case("5", "10")]), TWICE, "print(4)"),
        (
            of_lcb("b", [case("2", "4")], [], private_test_cases=json.dumps([case("5", "10")])),
            TWICE,
            "print(4)",
        ),
        (of_lcb("c", [], [case("1", "2")]), TWICE, "print(1)"),
        (of_lcb("d", [case("1", "2")], [], private_test_cases=""), TWICE, "print(1)"),
        (
            of_lcb(
                "e", [case("2", "4", "functional")], [case("5", "10", "functional")], **LEETCODE
            ),
            METHOD,
            METHOD.replace("2 * n", "4"),
        ),
        (
            of_lcb(
                "f",
                [case('[1, 2]\n"ab"', '[[1, 2], "ab"]', "functional")],
                [],
                starter_code="class Solution:\n    def f(self, xs, s):\n",
                metadata='{"func_name": "f"}',
            ),
            "class Solution:\n    def f(self, xs, s):\n        return xs, s",
            "class Solution:\n    def f(self, xs, s):\n        return s, xs",
        ),
        (
            of_lcb(
                "g",
                [case("null\ntrue\n1.5", "null", "functional")],
                [],
                starter_code="class Solution:\n    def f(self, a, b, c):\n",
                metadata='{"func_name": "f"}',
            ),
            "class Solution:\n    def f(self, a, b, c):\n        return a",
            "class Solution:\n    def f(self, a, b, c):\n        return c",
        ),
    ],
)
def test_a_row_of_livecodebench_becomes_a_problem(
    tmp_path: Path, row: dict[str, Any], solved: str, not_solved: str
) -> None:
    (problem,) = livecodebench.load(path=write(tmp_path / "test.jsonl", [row]))
    assert problem.id == row["question_id"]
    assert problem.reference == ""
    assert right(problem, solved)
    assert not right(problem, not_solved)


def test_livecodebench_is_selected_by_date_and_difficulty(tmp_path: Path) -> None:
    tests = [case("1", "2")]
    rows = [
        of_lcb("old", tests, [], contest_date="2023-05-07T00:00:00"),
        of_lcb("new", tests, [], contest_date="2024-09-01T00:00:00"),
        of_lcb("hard", tests, [], contest_date="2024-09-01T12:00:00", difficulty="hard"),
    ]
    path = write(tmp_path / "test.jsonl", rows)

    def ids(**options: Any) -> list[str]:
        return [problem.id for problem in livecodebench.load(path=path, **options)]

    assert ids() == ["old", "new", "hard"]
    assert ids(after="2024-09-01") == ["new", "hard"]
    assert ids(before="2024-09-01") == ["old"]
    assert ids(difficulty="hard") == ["hard"]
    with pytest.raises(ProblemSetError, match="no problem of LiveCodeBench"):
        ids(after="2030-01-01")
    with pytest.raises(ProblemSetError, match="no difficulty 'interview'"):
        ids(difficulty="interview")
    with pytest.raises(UnknownNameError, match="release_v1"):
        ids(release="release_v99")


def test_a_release_is_the_first_files() -> None:
    assert livecodebench.RELEASES["release_v1"] == ("test.jsonl",)
    assert livecodebench.RELEASES["release_v2"] == ("test.jsonl", "test2.jsonl")
    assert len(livecodebench.RELEASES["release_v6"]) == 6


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize(
    "value",
    [Harmful(), [Harmful()], {"a": Harmful()}, print, Path, ("[]", Harmful()), Exception("x")],
)
def test_a_pickle_that_names_code_is_refused_before_it_runs(value: Any) -> None:
    with pytest.raises(ProblemSetError, match=r"row 1: 'private_test_cases' is no packed text"):
        unpacked("row 1", "private_test_cases", packed(value))


@pytest.mark.parametrize("value", [[], {}, 1, None, 1.5, ("[]",)])
def test_a_pickle_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ProblemSetError, match="expected text"):
        unpacked("row 1", "private_test_cases", packed(value))


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "QUJD",
        base64.b64encode(zlib.compress(b"")).decode(),
        base64.b64encode(zlib.compress(b"junk")).decode(),
        base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-4]).decode(),
        base64.b64encode(zlib.compress(pickle.dumps("[]")[:-1])).decode(),
        base64.b64encode(zlib.compress(b"\x80\x05R.")).decode(),
        base64.b64encode(zlib.compress(b"cos\nsystem\n(S'true'\ntR.")).decode(),
        base64.b64encode(zlib.compress(b"Pid\n.")).decode(),
        "é",
        "",
    ],
)
def test_text_that_is_not_packed_is_refused(text: str) -> None:
    with pytest.raises(ProblemSetError, match="row 1: 'private_test_cases'"):
        unpacked("row 1", "private_test_cases", text)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_a_packed_text_is_read(protocol: int) -> None:
    text = json.dumps([case("é\n", "\\")] * 50)
    data = base64.b64encode(zlib.compress(pickle.dumps(text, protocol))).decode()
    assert unpacked("row 1", "private_test_cases", data) == text


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livecodebench, "LARGEST", 1000)
    with pytest.raises(ProblemSetError, match="cut off, or above 1,000 bytes"):
        unpacked("row 1", "private_test_cases", packed("0" * 10**6))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"public_test_cases": "["}, r"line 1: expected JSON.*'public_test_cases'"),
        ({"public_test_cases": json.dumps([{"input": "1"}])}, "needs the texts 'input', 'output'"),
        ({"public_test_cases": json.dumps([case("1", "2", "functional")])}, "no 'func_name'"),
        ({"private_test_cases": packed(json.dumps({}))}, "expected a list of test cases"),
        ({"question_id": None}, "'question_id'"),
        ({"public_test_cases": "[]", "private_test_cases": "[]"}, "0 inputs and 0 outputs"),
        (
            {"public_test_cases": json.dumps([case("1 2", "3", "functional")]), **LEETCODE},
            "expected JSON",
        ),
    ],
)
def test_a_broken_row_of_livecodebench_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "test.jsonl", [of_lcb("a", [], [], **changes)])
    with pytest.raises(ProblemSetError, match=said):
        livecodebench.load(path=path)


SCRIPT = """
from selfcorrect_env.problems import apps, livecodebench
from selfcorrect_env.problems.hub import PINNED
print([p.id for p in apps.load("train")])
print([p.id for p in livecodebench.load(release="release_v2")])
"""


def test_files_in_the_hubs_cache_are_found_without_a_network(tmp_path: Path) -> None:
    """Laid out as huggingface_hub does it, at the pinned commits."""
    pytest.importorskip("huggingface_hub")
    files = {
        (apps.REPO, "train.jsonl"): [of_apps(1, STREAMS)],
        (livecodebench.REPO, "test.jsonl"): [of_lcb("a", [case("1", "2")], [])],
        (livecodebench.REPO, "test2.jsonl"): [of_lcb("b", [case("1", "2")], [])],
    }
    for (repo, name), rows in files.items():
        folder = tmp_path / "hub" / f"datasets--{repo.replace('/', '--')}"
        (folder / "snapshots" / PINNED[repo]).mkdir(parents=True, exist_ok=True)
        write(folder / "snapshots" / PINNED[repo] / name, rows)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['1']", "['a', 'b']"]
