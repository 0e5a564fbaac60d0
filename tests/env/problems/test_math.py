import json
import pickle
import warnings
from collections import Counter
from pathlib import Path

import pytest

from selfcorrect_env.errors import (
    MathUnavailableError,
    ProblemSetError,
    ProblemSetWarning,
    UnknownNameError,
)
from selfcorrect_env.problems import math
from selfcorrect_env.problems.math import VARIABLE
from selfcorrect_env.problems.sources import load_problems

MATH500 = Path(__file__).parents[4] / "shared" / "data" / "math500.jsonl"
real = pytest.mark.skipif(not MATH500.is_file(), reason="MATH-500 is not beside this repository")
ROW = {
    "problem": "What is $1 + 1$?",
    "solution": r"It is $\boxed{2}$.",
    "answer": "2",
    "subject": "Prealgebra",
    "level": 1,
    "unique_id": "test/prealgebra/1.json",
}


@pytest.fixture(autouse=True)
def _nothing_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@real
@pytest.mark.parametrize("name", ["math", "hendrycks"])
def test_the_real_file(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems = load_problems(name, path=MATH500)
    assert (problems.name, len(problems)) == ("MATH", 500)
    assert problems[0].id == "test/precalculus/807.json"
    assert problems[0].reference == r"\left( 3, \frac{\pi}{2} \right)"
    hard = load_problems(name, path=MATH500, subject="number theory", level=[4, 5])
    assert {(p.metadata["subject"], p.metadata["level"]) for p in hard} == {
        ("Number Theory", 4),
        ("Number Theory", 5),
    }


@real
def test_the_box_of_a_real_solution_is_its_answer(tmp_path):
    rows = [json.loads(line) for line in MATH500.read_text().splitlines()]
    bare = [{k: v for k, v in row.items() if k != "answer"} for row in rows]
    problems = load_problems("math", path=write(tmp_path / "bare.jsonl", *bare))
    same = [p.reference == row["answer"] for p, row in zip(problems, rows, strict=True)]
    assert sum(same) >= 495  # PRM800K tidied a few answers by hand


def test_a_training_file_of_the_published_size_gives_no_warning(tmp_path):
    rows = [{**ROW, "unique_id": f"train/{i}"} for i in range(12_000)]
    path = write(tmp_path / "train.jsonl", *rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems = load_problems("math", split="train", path=tmp_path)
    assert (len(problems), problems.split, path.exists()) == (12_000, "train", True)


def test_rows_of_the_original_release(tmp_path):
    row = {
        "problem": "x",
        "solution": r"$\boxed{\frac{1}{2}}$",
        "type": "Algebra",
        "level": "Level 5",
    }
    with pytest.warns(ProblemSetWarning, match="published with 500 problems, but .* gave 2"):
        problems = load_problems(
            "math", path=write(tmp_path / "a.jsonl", row, {**row, "level": "Level ?"})
        )
    assert [p.id for p in problems] == ["0", "1"]
    assert problems[0].reference == r"\frac{1}{2}"
    assert [p.metadata["level"] for p in problems] == [5, None]
    assert {p.metadata["subject"] for p in problems} == {"Algebra"}


def test_what_the_user_named_is_never_replaced(tmp_path, monkeypatch):
    for wrong in (tmp_path / "no.jsonl", tmp_path):
        with pytest.raises(ProblemSetError):
            load_problems("math", path=wrong)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no.jsonl"))
    with pytest.raises(ProblemSetError, match=f"named by the environment variable {VARIABLE}"):
        load_problems("math")
    broken = write(tmp_path / "b.jsonl", ROW, {**ROW, "answer": None, "solution": "?"})
    with pytest.raises(ProblemSetError, match=r"b\.jsonl, line 2: .*neither a column 'answer'"):
        load_problems("math", path=broken)


def test_without_data_the_built_in_set_comes_with_one_warning(monkeypatch):
    monkeypatch.setattr(math, "_explained", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problems = load_problems("math", level=2)
    assert [w.category for w in caught] == [ProblemSetWarning]
    text = str(caught[0].message)
    for part in (
        "not MATH scores",
        "is set",
        "selfcorrect-env[data]",
        "path=",
        VARIABLE,
        "hendrycks",
    ):
        assert part in text
    assert problems == load_problems("procedural", level=2)
    assert problems.name == "procedural-MATH"
    with pytest.warns(ProblemSetWarning, match="not MATH scores") as again:
        load_problems("math", level=2)
    assert len(str(again[0].message)) < 150


def test_without_data_hendrycks_is_an_error_that_names_the_ways():
    with pytest.raises(
        MathUnavailableError, match=r"selfcorrect-env\[data\].*path=.*SELFCORRECT_MATH"
    ):
        load_problems("hendrycks")
    error = MathUnavailableError("because")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", ["math", "hendrycks"])
def test_wrong_options_are_no_reason_for_the_built_in_set(name):
    with pytest.raises(UnknownNameError, match="Unknown subject"):
        load_problems(name, subject="Botany")
    with pytest.raises(ProblemSetError, match="from 1 to 5"):
        load_problems(name, level=6)
    with pytest.raises(TypeError, match="no option 'size'"):
        load_problems(name, size=3)


def test_iterators_of_subjects_survive_the_decision():
    with pytest.warns(ProblemSetWarning):
        problems = load_problems("math", subject=iter(["Algebra"]), level=iter([1]))
    assert set(Counter(p.metadata["subject"] for p in problems)) == {"Algebra"}
