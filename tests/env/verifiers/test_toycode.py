"""The toy language: its programs are run rightly, and whatever passes is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Problem, Reason
from selfcorrect_env.problems.generated.toycode import as_problem, load
from selfcorrect_env.testing import check_problem_set, check_verifier
from selfcorrect_env.verifiers.toycode import Statement, ToyCodeVerifier, read_statement, run

OPERATIONS = [f"{sign}{digit}" for sign in "+-*" for digit in range(10)]
STATEMENT = "*7-4?3>8="


def verdict(reply: str, statement: str = STATEMENT):
    return ToyCodeVerifier().verify(Problem(id="1", prompt=statement, reference="+1"), reply)


@given(st.lists(st.sampled_from(OPERATIONS), max_size=8), st.integers(0, 9))
def test_programs_are_run_from_left_to_right_modulo_10(operations, digit):
    results = ""
    value = digit
    for operation in operations:
        value = eval(f"{value}{operation}") % 10
        results += str(value)
    assert run("".join(operations), digit) == results


@pytest.mark.parametrize(
    ("program", "digit"), [("7", 1), ("*", 1), ("/2", 1), ("*12", 1), ("+1", 10), ("+١", 1)]
)
def test_what_is_no_program_is_not_run(program, digit):
    with pytest.raises(ValueError, match="Expected a program"):
        run(program, digit)


def test_statements():
    assert read_statement(STATEMENT) == Statement("*7-4", ((3, 8),))
    assert read_statement("?3>8;0>1=") == Statement("", ((3, 8), (0, 1)))
    for bad in ("", "*7-4?3>8", "*7-4?3>8=\n", "*7-4?=", "*7-4?3>8;=", "7?3>8=", "*7-4?3>88="):
        with pytest.raises(ValueError, match="Expected a statement"):
            read_statement(bad)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("+1*71-47+18", Reason.CORRECT),
        ("-9", Reason.CORRECT),  # another program that passes
        ("+1 and nothing of the log is read -5", Reason.CORRECT),
        ("It is +1.", Reason.CORRECT),
        (f"{STATEMENT}+1", Reason.CORRECT),  # the statement is passed over
        ("+2*71-47+18", Reason.WRONG),  # whatever its log says
        ("-5 or +1", Reason.WRONG),
        ("*4", Reason.CORRECT),  # 7 * 4 = 28
        ("", Reason.NO_ANSWER),
        (STATEMENT, Reason.NO_ANSWER),
        ("8", Reason.NO_ANSWER),
        ("+ 1", Reason.NO_ANSWER),
        ("+١", Reason.NO_ANSWER),
    ],
)
def test_replies(reply, reason):
    assert verdict(reply).reason is reason


def test_every_test_must_pass():
    two = "*2?1>6;2>8="  # 2 -> 6 and 4 -> 8: plus 4, not times 3
    assert verdict("+4", two).score == 1.0
    assert verdict("-6", two).score == 1.0
    assert verdict("*3", two).reason is Reason.WRONG
    assert verdict("*3", "*2?1>6=").score == 1.0


def test_the_operation_is_the_answer():
    assert verdict("so +3*71").answer == "+3"


def test_what_is_no_statement_cannot_be_judged():
    found = verdict("+1", "What is 1 + 1?")
    assert not found.judged
    assert "toy language" in (found.detail or "")


def test_the_contracts_hold():
    check_verifier("toycode", load("test").head(20))
    check_problem_set(load("test"), "toycode")


@given(st.integers(0, 10**6), st.sampled_from(OPERATIONS))
def test_an_operation_is_right_if_and_only_if_the_run_ends_in_the_wanted_digit(number, operation):
    problem = load("train", size=1, operations=1 + number % 5, seed=number)[0]
    program, _, test = problem.prompt[:-1].partition("?")
    passes = run(program + operation, int(test[0]))[-1] == test[2]
    assert (ToyCodeVerifier().verify(problem, operation).score == 1.0) == passes


def test_any_problem_has_right_answers_with_either_sign():
    for prompt in ("?3>8=", "*0?5>0=", "+9-9*5?2>1="):
        plus = as_problem(prompt).reference
        assert verdict(plus, prompt).score == 1.0
        assert verdict(f"-{-int(plus) % 10}", prompt).score == 1.0
