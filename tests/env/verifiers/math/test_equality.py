r"""Equality of answers: a table of pairs by kind, and properties of exactness."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_pairs import labelled_pairs

from selfcorrect_env import Problem, Reason
from selfcorrect_env.verifiers.math import MathVerifier, normal_form
from selfcorrect_env.verifiers.math.equality import AnswerComparison
from selfcorrect_env.verifiers.math.symbolic import equal

PAIRS = Path(__file__).with_name("equality_pairs.txt")


@pytest.mark.parametrize(("reference", "answer"), labelled_pairs(PAIRS, "+"))
def test_equal(reference: str, answer: str) -> None:
    assert equal(reference, answer)
    assert AnswerComparison().same(reference, answer) in (True, None)


@pytest.mark.parametrize(("reference", "answer"), labelled_pairs(PAIRS, "-"))
def test_different(reference: str, answer: str) -> None:
    assert not equal(reference, answer)
    assert AnswerComparison().same(reference, answer) in (False, None)


CONSTANTS = st.one_of(
    st.integers(1, 99).map(str),
    st.fractions(0, 9, max_denominator=50).map(
        lambda f: rf"\frac{{{f.numerator + 1}}}{{{f.denominator}}}"
    ),
    st.integers(2, 60).map(lambda n: rf"\sqrt{{{n}}}"),
    st.integers(2, 30).map(lambda n: rf"\sqrt[3]{{{n}}}"),
    st.integers(2, 30).map(lambda n: rf"\ln {n}"),
    st.integers(1, 20).map(lambda n: rf"\sin {n}"),
    st.integers(2, 40).map(lambda n: f"{n}!"),
    st.integers(2, 90).map(lambda n: f"2^{{-{n}}}"),
    st.integers(1, 90).map(lambda n: f"e^{{-{n}}}"),
    st.integers(4, 30).map(lambda n: rf"\binom{{{n}}}{{3}}"),
    st.sampled_from([r"\pi", "e", r"\arctan 2", "x", "y", r"\sin x", "x^2", "f(x)", "e^x"]),
)
EXPRESSIONS = st.recursive(
    CONSTANTS,
    lambda inner: st.one_of(
        st.builds(r"({} + {})".format, inner, inner),
        st.builds(r"({} - {})".format, inner, inner),
        st.builds(r"{} \cdot {}".format, inner, inner),
        st.builds(r"\frac{{{}}}{{{} + 7}}".format, inner, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS, st.integers(1, 9))
def test_a_rewritten_expression_is_equal(a: str, b: str, n: int) -> None:
    for other in (
        f"{b} + ({a}) - {b}",
        rf"\frac{{{n} \cdot ({a})}}{{{n}}}",
        rf"-(-({a}))",
        rf"({a}) \cdot (\sin^2 1 + \cos^2 1)",
    ):
        assert equal(a, other), (a, other)
    assert equal(f"({a} + {b})^2", rf"({a})^2 + 2 \cdot ({a}) \cdot ({b}) + ({b})^2")


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, st.integers(1, 400), st.integers(1, 9), st.sampled_from("+-"))
def test_an_expression_changed_however_little_is_different(
    a: str, power: int, digit: int, sign: str
) -> None:
    for change in (
        f"{digit} \\cdot 10^{{-{power}}}",
        f"e^{{-{power}}}",
        f"\\frac{{1}}{{{power}!}}",
    ):
        other = f"({a}) {sign} {change}"
        assert not equal(a, other), (a, other)
        assert not equal(other, a), (a, other)


@settings(max_examples=100, deadline=None)
@given(EXPRESSIONS, EXPRESSIONS)
def test_what_is_known_without_a_worker_is_what_the_worker_says(a: str, b: str) -> None:
    known = AnswerComparison().same(a, b)
    assert known is None or known == bool(equal(a, b))


NUMBERS = st.builds(
    lambda f, form: form(f),
    st.fractions(-(10**6), 10**6, max_denominator=10**4),  # decimals of fewer than 12 digits
    st.sampled_from(
        [
            lambda f: (f, f"{f.numerator}/{f.denominator}"),
            lambda f: (f, rf"\frac{{{f.numerator}}}{{{f.denominator}}}"),
            lambda f: (Fraction(round(f)), f"{round(f):,}"),
            lambda f: (Fraction(round(f)), f"x = {round(f)}"),
            lambda f: (
                Fraction(round(f * 100), 100),
                f"{float(Fraction(round(f * 100), 100)):.2f}",
            ),
            lambda f: (Fraction(round(f)), rf"\left({round(f)}\right)"),
            lambda f: (abs(f) + 3, rf"3 + \frac{{{abs(f.numerator)}}}{{{f.denominator}}}"),
        ]
    ),
)


@settings(max_examples=300)
@given(NUMBERS, NUMBERS)
def test_numbers_are_equal_just_where_their_values_are(
    a: tuple[Fraction, str], b: tuple[Fraction, str]
) -> None:
    assert AnswerComparison().same(a[1], b[1]) is (a[0] == b[0])
    if normal_form(a[1]) == normal_form(b[1]):
        assert a[0] == b[0]


@pytest.mark.parametrize(
    ("options", "reference", "answer", "right"),
    [
        ({}, r"\pi", "3.14", False),
        ({"tolerance": 1e-2}, r"\pi", "3.14", True),
        ({"tolerance": 1e-2}, "3.14", r"\pi", True),
        ({"tolerance": 1e-4}, r"\pi", "3.14", False),
        ({"tolerance": 1e-2}, r"\frac{1}{3}", "0.333", True),
        ({"tolerance": 1e-2}, "100", "100.5", True),
        ({"tolerance": 1e-2}, "100", "101", False),  # no decimal: whole numbers are exact
        ({"tolerance": 1e-2}, "(1, 2)", "(1.001, 2)", True),
        ({"tolerance": 1e-2}, "x + 1", "x + 1.001", False),
        ({}, r"5\text{ m}", "5", True),
        ({"units": "require"}, r"5\text{ m}", "5", False),
        ({"units": "require"}, r"5\text{ m}", "5 meters", True),
        ({"units": "require"}, "5", "5", True),
        ({}, r"5\text{ m}", r"5\text{ km}", False),
        ({"units": "ignore"}, r"5\text{ m}", r"5\text{ km}", True),
    ],
)
def test_options(options: dict, reference: str, answer: str, right: bool) -> None:
    verifier = MathVerifier(workers=1, **options)
    problem = Problem(id="1", prompt="", reference=reference)
    verdict = verifier.verify(problem, rf"\boxed{{{answer}}}")
    verifier.close()
    assert verdict.correct is right, verdict


@pytest.mark.parametrize(
    "options", [{"tolerance": -1}, {"tolerance": 2.0}, {"units": "maybe"}, {"deadline": 0}]
)
def test_options_outside_their_range_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        MathVerifier(**options)


def test_what_cannot_be_decided_is_not_equal_and_says_so() -> None:
    verifier = MathVerifier(workers=1)
    problem = Problem(id="1", prompt="", reference="9^{9^{9^9}} + 1")
    verdict = verifier.verify(problem, r"\boxed{9^{9^{9^9}}}")
    verifier.close()
    assert verdict.reason is Reason.WRONG
    assert "could not be decided" in verdict.detail
