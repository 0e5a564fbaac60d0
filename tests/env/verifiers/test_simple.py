"""The verifiers that need no mathematics, and finding verifiers by name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Problem, Reason, UnknownNameError, VerifierError
from selfcorrect_env.verifiers import VERIFIERS, get_verifier


def of(reference: str) -> Problem:
    return Problem(id="1", prompt="", reference=reference)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("3743", Reason.CORRECT),
        ("It is 3.", Reason.CORRECT),
        ("43", Reason.WRONG),
        ("", Reason.NO_ANSWER),
        ("٣", Reason.NO_ANSWER),
        ("three", Reason.NO_ANSWER),
    ],
)
def test_first_digit(reply: str, reason: Reason) -> None:
    assert get_verifier("first-digit").verify(of("3"), reply).reason is reason


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Paris", Reason.CORRECT),
        (" paris. ", Reason.CORRECT),
        ("Well,\nParis", Reason.CORRECT),
        ("Lyon", Reason.WRONG),
        ("Paris or Lyon", Reason.WRONG),
        (" \n", Reason.NO_ANSWER),
    ],
)
def test_exact(reply: str, reason: Reason) -> None:
    assert get_verifier("exact").verify(of("Paris"), reply).reason is reason


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Answer: 32\nWorking: 14 + 27 = 41, 41 - 9 = 32", Reason.CORRECT),
        ("\n  **Answer:** $32$.\n", Reason.CORRECT),
        ('answer : "32"', Reason.CORRECT),
        ("Answer: 32\nWorking: it is 31", Reason.CORRECT),
        ("Answer: 32 Working: 14 + 27 = 41, 41 - 9 = 32", Reason.CORRECT),
        ("Answer: Working: 14 + 27 = 41, 41 - 9 = 32", Reason.NO_ANSWER),
        ("Answer: 31\nWorking: 41 - 9 = 32", Reason.WRONG),
        ("Answer: 32 or 31", Reason.WRONG),
        ("Answer: 41 - 9 = 32", Reason.WRONG),
        ("Answer: 14 + 27 - 9", Reason.WRONG),
        ("Answer: 31\nAnswer: 32", Reason.WRONG),
        ("Answer:", Reason.NO_ANSWER),
        ("Answer:\n32", Reason.NO_ANSWER),
        ("32", Reason.NO_ANSWER),
        ("Working: 14 + 27 - 9 = 32\nAnswer: 32", Reason.NO_ANSWER),
        ("14 + 27 - 9 = 32, so Answer: 32", Reason.NO_ANSWER),
        ("The answer: 32", Reason.NO_ANSWER),
        ("", Reason.NO_ANSWER),
    ],
)
def test_answer_line(reply: str, reason: Reason) -> None:
    assert get_verifier("answer-line").verify(of("32"), reply).reason is reason


def test_answer_line_compares_texts_up_to_case_and_the_commas_of_thousands() -> None:
    verifier = get_verifier("answer-line")
    assert verifier.verify(of("1,234"), "Answer: 1234").correct
    assert verifier.verify(of("-7"), "Answer: -7").correct
    assert not verifier.verify(of("7"), "Answer: -7").correct
    assert verifier.verify(of("New York"), "ANSWER: new  york.").correct
    assert not verifier.verify(of("12"), "Answer: 1,2").correct


@given(st.text(), st.sampled_from(["exact", "first-digit", "answer-line"]))
def test_any_text_gets_a_verdict(reply: str, name: str) -> None:
    verifier = get_verifier(name)
    assert verifier.verify_batch([of("3")], [reply]) == [verifier.verify(of("3"), reply)]


def test_names() -> None:
    assert [get_verifier(name).name for name in VERIFIERS] == list(VERIFIERS)
    assert get_verifier("exact") is get_verifier("exact")
    with pytest.raises(UnknownNameError, match="Did you mean 'math'"):
        get_verifier("maths")
    with pytest.raises(TypeError, match="A verifier is"):
        get_verifier(3)  # type: ignore[arg-type]


def test_a_function_that_fails_or_lies_is_an_error() -> None:
    from selfcorrect_env.verifiers import judge

    def fails(problem: Problem, response: str) -> float:
        return {"good": 1.0, "nan": float("nan"), "two": 2.0}[response]

    verdicts = judge(get_verifier(fails), [of("")] * 4, ["good", "nan", "two", "raise"])
    assert [v.reason for v in verdicts] == [
        Reason.CORRECT,
        Reason.ERROR,
        Reason.ERROR,
        Reason.ERROR,
    ]
    assert not verdicts[3].judged


def test_a_name_may_carry_options() -> None:
    strict = get_verifier("math,tolerance=0.01,units=require")
    assert strict is get_verifier("math", tolerance=0.01, units="require")
    assert strict is not get_verifier("math")
    problem = Problem(id="1", prompt="", reference=r"\pi")
    assert strict.verify(problem, r"\boxed{3.14}").correct
    assert not get_verifier("math").verify(problem, r"\boxed{3.14}").correct


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("math,tolerence=0.1", "unexpected keyword argument 'tolerence'"),
        ("math,tolerance", "'tolerance' is no option, such as key=value"),
        ("math,tolerance=5", "tolerance must be a share"),
        ("math,units=metric", "units must be one of match, require, ignore"),
    ],
)
def test_wrong_options_are_refused(name: str, message: str) -> None:
    with pytest.raises(VerifierError, match=re.escape(message)):
        get_verifier(name)


def test_options_are_for_names() -> None:
    with pytest.raises(TypeError, match="for the name of a verifier only"):
        get_verifier(lambda problem, response: 1.0, tolerance=0.1)
