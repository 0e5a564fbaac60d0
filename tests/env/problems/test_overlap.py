import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.problems.overlap import (
    read_trained_on,
    shared_problems,
    write_trained_on,
)
from selfcorrect_env.problems.splits import statement_hash

STATEMENTS = st.lists(st.text(st.characters(codec=None), max_size=8), min_size=1, max_size=10)


def problem_set(*statements: str, name: str = "sums") -> ProblemSet:
    return ProblemSet.from_records([{"prompt": s, "reference": "0"} for s in statements], name=name)


def test_statements_are_compared_without_their_white_space_and_unicode_form() -> None:
    trained = problem_set("1 + 1 = ?", "caf\u00e9", "x")
    tested = problem_set("  1 +\n1 =\t?", "cafe\u0301", "X", "y", "x")
    assert [p.id for p in shared_problems(trained, tested)] == ["0", "1", "4"]


@given(STATEMENTS, STATEMENTS)
def test_the_overlap_is_that_of_the_sets_of_statements(first: list[str], second: list[str]) -> None:
    one, other = problem_set(*first), problem_set(*second)
    both = {statement_hash(s) for s in first} & {statement_hash(s) for s in second}
    assert {statement_hash(p.prompt) for p in shared_problems(one, other)} == both
    assert {statement_hash(p.prompt) for p in shared_problems(other, one)} == both
    assert shared_problems(one, one) == list(one)


@pytest.mark.parametrize("model", [".", "model", "checkpoints/step-000120/model"])
def test_what_a_run_trained_on_is_found_from_its_models(tmp_path, model: str) -> None:
    (tmp_path / model).mkdir(parents=True, exist_ok=True)
    trained = problem_set("a", "b \ud800", "c")
    write_trained_on(tmp_path, trained)
    found = read_trained_on(tmp_path / model)
    assert found is not None
    assert found.problem_sets == (
        f"sums, split 'all', 3 problems, fingerprint {trained.fingerprint}",
    )
    assert [p.prompt for p in found.shared(problem_set("c", "d", "b \ud800"))] == ["c", "b \ud800"]


def test_a_model_without_a_record_has_none(tmp_path) -> None:
    assert read_trained_on(tmp_path) is None
    assert read_trained_on("an-organisation/a-model") is None
    assert read_trained_on("tiny:" + "x" * 5000) is None


def test_the_record_of_the_model_that_training_started_from_is_kept(tmp_path) -> None:
    for name in ("sft", "rl"):
        (tmp_path / name / "model").mkdir(parents=True)
    write_trained_on(tmp_path / "sft", problem_set("a"))
    for _ in range(2):  # a resumed run writes it again
        write_trained_on(tmp_path / "rl", problem_set("b"), model=tmp_path / "sft" / "model")
    found = read_trained_on(tmp_path / "rl" / "model")
    assert found is not None
    assert len(found.problem_sets) == 2
    assert [p.prompt for p in found.shared(problem_set("a", "b", "c"))] == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", json.dumps({"problem_sets": [], "statement_hashes": [3]}), "null"],
)
def test_a_damaged_record_is_an_error(tmp_path, content: str) -> None:
    (tmp_path / "trained_on.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"trained_on\.json is damaged"):
        read_trained_on(tmp_path)


def test_the_record_is_small(tmp_path) -> None:
    write_trained_on(tmp_path, problem_set(*map(str, range(12_000))))
    assert (tmp_path / "trained_on.json").stat().st_size < 300_000
