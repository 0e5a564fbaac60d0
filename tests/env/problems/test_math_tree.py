"""MATH's original folder, with a JSON file for each problem."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from selfcorrect_env import ProblemSetError, SelfCorrectEnv
from selfcorrect_env.errors import ProblemSetWarning
from selfcorrect_env.problems import math

pytestmark = pytest.mark.filterwarnings("ignore::selfcorrect_env.errors.ProblemSetWarning")

FOLDERS = {
    "algebra": "Algebra",
    "counting_and_probability": "Counting & Probability",
    "geometry": "Geometry",
    "intermediate_algebra": "Intermediate Algebra",
    "number_theory": "Number Theory",
    "prealgebra": "Prealgebra",
    "precalculus": "Precalculus",
}


def row(n: int, subject: str, level: int) -> dict[str, Any]:
    return {
        "problem": f"What is ${n} + 1$ in {subject}?",
        "level": f"Level {level}",
        "type": subject,
        "solution": f"It is $\\boxed{{{n + 1}}}$.",
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for folder, subject in FOLDERS.items():
            for n in (10, 2, 1):
                file = tmp_path / "MATH" / split / folder / f"{n}.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(row(n, f"{subject}", n % 5 + 1)))
    return tmp_path / "MATH"


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_authors_folder_is_read(tree: Path, split: str) -> None:
    problems = math.load(split, path=tree)
    assert problems.name == "MATH-original"
    assert problems.split == split
    assert len(problems) == 21
    first = problems[0]
    assert [p.id for p in problems[:8]] == [
        *(f"{split}/{folder}/1.json" for folder in FOLDERS),
        f"{split}/algebra/2.json",
    ]
    assert (first.prompt, first.reference) == ("What is $1 + 1$ in Algebra?", "2")
    assert first.metadata["subject"] == "Algebra"
    assert first.metadata["level"] == 2
    assert {p.metadata["subject"] for p in problems} == set(FOLDERS.values())


def test_the_first_problems_have_the_share_of_each_subject(tree: Path) -> None:
    for n in range(100, 100 + 6 * 3):  # 7 times as many of one subject
        (tree / "test" / "geometry" / f"{n}.json").write_text(json.dumps(row(n, "Geometry", 1)))
    problems = math.load(path=tree)
    assert len(problems) == 39
    for n in (13, 26):
        found = [problem.id.split("/")[1] for problem in problems.head(n)]
        assert {folder: found.count(folder) for folder in FOLDERS} == {
            folder: n * (21 if folder == "geometry" else 3) // 39 for folder in FOLDERS
        }


def test_the_folder_may_be_named_from_above_or_below(tree: Path) -> None:
    whole = math.load(path=tree)
    assert math.load(path=tree.parent) == whole
    assert math.load(path=tree / "test") == whole
    assert math.load(path=str(tree)) == whole


def test_subjects_and_levels_are_chosen(tree: Path) -> None:
    problems = math.load(path=tree, subject="Geometry", level=[1, 2])
    assert [p.id for p in problems] == ["test/geometry/1.json", "test/geometry/10.json"]


def test_the_variable_names_it(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(math.VARIABLE, str(tree))
    assert math.load().name == "MATH-original"


def test_its_size_is_that_of_the_authors_splits(tree: Path) -> None:
    for split, size in (("train", "7,500"), ("test", "5,000")):
        with pytest.warns(ProblemSetWarning, match=f"published with {size}"):
            math.load(split, path=tree)


def test_it_is_not_math500(tree: Path) -> None:
    with pytest.raises(ProblemSetError, match="of which MATH-500 is a selection"):
        math.load_math500(path=tree)


def test_the_environment_takes_it(tree: Path) -> None:
    env = SelfCorrectEnv("math", path=str(tree), verifier="math")
    env.reset(options={"index": 0})
    assert env.step(r"\boxed{2}")[1] == 1.0


@pytest.mark.parametrize("content", ["{", "[]", "[1]", '{"problem": "x"}', "3", '"x"'])
def test_a_broken_file_is_named(tree: Path, content: str) -> None:
    (tree / "test" / "algebra" / "2.json").write_text(content)
    with pytest.raises(ProblemSetError, match=r"algebra/2\.json"):
        math.load(path=tree)


def test_other_files_and_empty_folders_do_not_matter(tree: Path) -> None:
    (tree / "test" / "algebra" / "README.md").write_text("x")
    (tree / "test" / "empty").mkdir()
    (tree / "README.md").write_text("x")
    with zipfile.ZipFile(tree / "test" / "a.zip", "w"):
        pass
    assert len(math.load(path=tree)) == 21


def test_a_folder_of_files_by_split_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({**row(1, "Algebra", 1), "unique_id": "a"}))
    problems = math.load(path=tmp_path)
    assert (problems.name, problems[0].id) == ("MATH", "a")
