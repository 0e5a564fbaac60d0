"""Problems with several accepted answers: any of them is right, by every verifier."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Problem, ProblemSet, Reason, SelfCorrectEnv, evaluate
from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.evaluation import read_episodes
from selfcorrect_env.evaluation.rescoring import rescore
from selfcorrect_env.evaluation.validation import validate
from selfcorrect_env.types import ACCEPTED
from selfcorrect_env.verifiers import get_verifier, judge

OF_TRIVIA = {
    "question": "Which river flows through the capital of Austria?",
    "answer": {"value": "Danube", "aliases": ["The Danube", "Donau", "Danube"]},
}
OF_OLYMPIAD = {"question": "Solve x^2 = 2.", "final_answer": ["$\\sqrt{2}$", "$-\\sqrt{2}$"]}


def of(*answers: str) -> Problem:
    first, *others = answers
    return Problem(id="1", prompt="A question?", reference=first, metadata={ACCEPTED: others})


@pytest.mark.parametrize(
    ("answers", "reply", "reason"),
    [
        (("2", "3"), r"\boxed{2}", Reason.CORRECT),
        (("2", "3"), r"\boxed{3}", Reason.CORRECT),
        (("2", "3"), r"\boxed{4}", Reason.WRONG),
        (("2", "3"), r"\boxed{23}", Reason.WRONG),
        (("2", "3"), "", Reason.NO_ANSWER),
        (("2",), r"\boxed{2}", Reason.CORRECT),
        ((r"\sqrt{2}", r"-\sqrt{2}"), r"\boxed{-\sqrt2}", Reason.CORRECT),
        (("\\frac{1}{3}", "0.33"), r"\boxed{0.33}", Reason.CORRECT),
        (("Saturday", "Sunday"), r"\boxed{\text{Sunday}}", Reason.CORRECT),
        (("Saturday", "Sunday"), r"\boxed{\text{Monday}}", Reason.WRONG),
    ],
)
def test_math(answers: tuple[str, ...], reply: str, reason: Reason) -> None:
    (verdict,) = judge(get_verifier("math"), [of(*answers)], [reply])
    assert verdict.reason is reason


@pytest.mark.parametrize(
    ("name", "answers", "right", "wrong"),
    [
        ("exact", ("Danube", "Donau"), "donau", "Rhine"),
        ("exact", ("12 May", "May 12"), "May 12", "May 13"),
        ("first-digit", ("3", "7"), "7", "5"),
    ],
)
def test_other_verifiers(name: str, answers: tuple[str, ...], right: str, wrong: str) -> None:
    verdicts = judge(get_verifier(name), [of(*answers)] * 3, [answers[0], right, wrong])
    assert [verdict.correct for verdict in verdicts] == [True, True, False]


def test_a_function_is_asked_for_each_answer() -> None:
    def pays(problem: Problem, response: str) -> float:
        if problem.reference == "broken":
            raise RuntimeError("no server")
        return float(problem.reference) if response == "?" else 0.0

    pairs = [(of("0.2", "0.5", "0.1"), 0.5), (of("0", "1", "broken"), 1.0), (of("0.1"), 0.1)]
    verdicts = judge(as_named(pays), [p for p, _ in pairs], ["?"] * 3)
    assert [verdict.score for verdict in verdicts] == [score for _, score in pairs]
    for answers in (("0", "broken"), ("broken", "0"), ("0", "broken", "0")):
        (verdict,) = judge(as_named(pays), [of(*answers)], ["?"])
        assert verdict.reason is Reason.ERROR, "an answer that was not tried may be the right one"


def as_named(function):  # type: ignore[no-untyped-def]
    return get_verifier(function)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 5))
def test_right_if_and_only_if_it_is_one_of_them(answers: list[int], reply: int) -> None:
    problem = of(*map(str, answers))
    (verdict,) = judge(get_verifier("exact"), [problem], [str(reply)])
    assert verdict.correct == (reply in answers)


@pytest.mark.parametrize(
    ("row", "column", "answers"),
    [
        ({"prompt": "x", "reference": ["2", "two"]}, "reference", ("2", "two")),
        ({"prompt": "x", "answers": ("2", 2, 2.5)}, "answers", ("2", "2.5")),
        ({"prompt": "x", "answers": np.array([1, 2])}, "answers", ("1", "2")),
        ({"prompt": "x", "answers": ["only"]}, "answers", ("only",)),
        ({"prompt": "x", "answer": "alone"}, "answer", ("alone",)),
    ],
)
def test_a_column_may_hold_a_list(row: dict, column: str, answers: tuple[str, ...]) -> None:
    (problem,) = ProblemSet.from_records([row], reference_column=column)
    assert (problem.reference, *problem.accepted) == answers
    assert column not in problem.metadata


@pytest.mark.parametrize(
    ("column", "accepted"),
    [
        (None, ()),
        ([], ()),
        (["two", "2"], ("two",)),
        (np.array(["two"]), ("two",)),
        ("two", ("two",)),
    ],
)
def test_a_column_of_accepted_answers(column: object, accepted: tuple[str, ...]) -> None:
    row = {"prompt": "1 + 1", "reference": "2", ACCEPTED: column}
    (problem,) = ProblemSet.from_records([row])
    assert (problem.reference, problem.accepted) == ("2", accepted)
    (problem,) = ProblemSet.from_records([{**row, "reference": ["2", "zwei"]}])
    assert problem.accepted == ("zwei", *accepted)


def test_a_broken_column_of_accepted_answers_is_named() -> None:
    with pytest.raises(ProblemSetError, match="record 0: the problem's accepted_answers must be"):
        ProblemSet.from_records([{"prompt": "x", "reference": "2", ACCEPTED: [None]}])


def test_a_function_of_the_row_may_return_a_list() -> None:
    (problem,) = ProblemSet.from_records(
        [OF_TRIVIA],
        prompt_column="question",
        reference_column=lambda row: [row["answer"]["value"], *row["answer"]["aliases"]],
    )
    assert problem.reference == "Danube"
    assert problem.accepted == ("The Danube", "Donau")


def test_from_a_file_to_the_reward_and_back(tmp_path: Path) -> None:
    path = tmp_path / "olympiad.jsonl"
    path.write_text(json.dumps(OF_OLYMPIAD) + "\n")
    env = SelfCorrectEnv(
        str(path),
        prompt_column="question",
        reference_column="final_answer",
        verifier="math",
    )
    replies = iter([r"\boxed{2}", r"\boxed{-\sqrt{2}}"])
    report = evaluate(lambda conversation: next(replies), env, out=tmp_path / "run")
    assert [estimate.value for estimate in report.metrics.accuracy] == [0.0, 1.0]
    stored = read_episodes(tmp_path / "run" / "episodes.jsonl")
    assert stored[0].problem.accepted == ("$-\\sqrt{2}$",)
    assert rescore(stored, "math").differences == ()


def test_the_fingerprint_covers_every_answer() -> None:
    one, two, more = (
        ProblemSet.from_records([{"prompt": "x", "reference": answers}])
        for answers in ("2", ["2", "two"], ["2", "zwei"])
    )
    assert len({one.fingerprint, two.fingerprint, more.fingerprint}) == 3
    assert one == ProblemSet.from_records([{"prompt": "x", "reference": ["2"]}])


def test_a_copy_has_them_and_other_values_are_refused() -> None:
    problem = of("2", "two")
    assert pickle.loads(pickle.dumps(problem)).accepted == ("two",)
    assert copy.deepcopy(problem) == problem
    for value in ("two", [2], {"two": 2}, None):
        with pytest.raises(TypeError, match="accepted_answers"):
            Problem(id="1", prompt="x", reference="2", metadata={ACCEPTED: value})


def test_validate_says_why_a_reference_cannot_be_judged() -> None:
    def broken(problem: Problem, response: str) -> bool:
        if problem.reference == "2":
            raise RuntimeError("no such test")
        return response == problem.reference

    rows = [{"prompt": "Two?", "reference": "2"}, {"prompt": "Three?", "reference": "3"}]
    rows += [{"prompt": "Anything?", "reference": " "}]
    found = validate(SelfCorrectEnv(rows, verifier=broken))
    (check,) = [check for check in found.checks if check.name == "reference"]
    assert check.tried == 2, "a problem without a reference is a finding of its own"
    (finding,) = check.findings
    assert finding.problem_id == "0"
    assert finding.what == (
        "its reference cannot be judged: broken raised RuntimeError: no such test"
    )
    (statement,) = found.checks[0].findings
    assert statement.what == "its reference is blank"


def test_validate_tries_every_answer() -> None:
    rows = [{"prompt": "Two?", "reference": ["2", "", "3"]}]
    found = validate(SelfCorrectEnv(rows, verifier="math"))
    (check,) = [check for check in found.checks if check.name == "reference"]
    assert check.tried == 3 * len(get_verifier("math").answer_format.examples("2"))  # type: ignore[attr-defined]
    assert check.findings, "an empty answer cannot be judged correct"
