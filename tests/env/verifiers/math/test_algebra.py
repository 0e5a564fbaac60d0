"""Exact algebra: what it calls the same is the same number, and what it tells apart is not."""

import cmath
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect_env.verifiers.math.algebra import AlgebraicValue, equal, value
from selfcorrect_env.verifiers.math.equality import AnswerComparison
from selfcorrect_env.verifiers.math.exact import UndefinedError
from selfcorrect_env.verifiers.math.expressions import Unreadable, read
from selfcorrect_env.verifiers.math.tokens import tokenize

LETTERS = {"x": 0.731 + 0.21j, "y": -1.37 + 0.4j}
LEAVES = st.one_of(
    st.integers(0, 12).map(lambda n: (str(n), complex(n))),
    st.sampled_from(["x", "y"]).map(lambda name: (name, LETTERS[name])),
    st.just((r"\pi", complex(math.pi))),
    st.just(("i", 1j)),
    st.integers(1, 50).map(lambda n: (rf"\sqrt{{{n}}}", cmath.sqrt(n))),
)


def _sum(a, b):
    return rf"\left({a[0]} + {b[0]}\right)", a[1] + b[1]


def _difference(a, b):
    return rf"({a[0]} - {b[0]})", a[1] - b[1]


def _product(a, b):
    return rf"{a[0]} \cdot {b[0]}", a[1] * b[1]


def _quotient(a, b):
    return (rf"\frac{{{a[0]}}}{{{b[0]}}}", a[1] / b[1]) if abs(b[1]) > 1e-6 else a


def _square(a):
    return rf"\left({a[0]}\right)^2", a[1] ** 2


EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_sum, inner, inner),
        st.builds(_difference, inner, inner),
        st.builds(_product, inner, inner),
        st.builds(_quotient, inner, inner),
        st.builds(_square, inner),
    ),
    max_leaves=6,
)


def value_of(latex: str) -> AlgebraicValue | None:
    try:
        return value(read(tokenize(latex) or ()))
    except UndefinedError:
        return None


@settings(max_examples=300)
@given(EXPRESSIONS, EXPRESSIONS)
def test_it_agrees_with_numbers(a, b) -> None:
    """Two values are the same just where their numbers, at generic points, are."""
    close = cmath.isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1e-9)
    left, right = value_of(a[0]), value_of(b[0])
    if left is None or right is None:  # too many terms, or something over 0
        return
    assert equal(left, right) is close, (a, b)


@settings(max_examples=200)
@given(EXPRESSIONS)
def test_other_spellings_are_the_same(a) -> None:
    latex, _ = a
    expected = value_of(latex)
    if expected is None:
        return
    for other in (
        latex.replace(r"\frac", r"\dfrac"),
        latex.replace(r"\cdot", r"\times"),
        rf"\left({latex}\right)",
        f"{latex} + 0",
        re.sub(r"\s+", "  ", latex),
    ):
        found = value_of(other)
        assert found is not None
        assert equal(expected, found), other


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}"),
        (r"\sqrt{12}", r"2\sqrt{3}"),
        (r"\frac{1}{1+\sqrt{2}}", r"\sqrt{2}-1"),
        ("(x+1)^2", "x^2+2x+1"),
        (r"\frac{x^2-1}{x-1}", "x+1"),
        (r"3\pi r^2", r"\pi r^2 \cdot 3"),
        (r"\sqrt{-4}", "2i"),
        ("2^{-3}", "0.125"),
        ("x^{1/2}", r"\sqrt{x}"),
        ("a_1 + a_2", "a_{2}+a_{1}"),
        (r"(1,\infty)", r"\left( 1, \infty \right)"),
        (r"\{1,2\}", r"\{2, 1\}"),
        (r"1\pm\sqrt{2}", r"1-\sqrt2, 1+\sqrt2"),
        (r"\begin{pmatrix} 1/2 \\ 3 \end{pmatrix}", r"\begin{pmatrix} 0.5 \\ 3 \end{pmatrix}"),
        (r"(0,1)\cup(2,3)", r"(2,3)\cup(0,1)"),
        ("2x + 2y = 4", "x + y = 2"),
        (r"11,\! 111", "11111"),
        ("52_8", "52"),
    ],
)
def test_equal(a: str, b: str) -> None:
    assert AnswerComparison().same(a, b) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\sqrt{2}", "1.4142135"),
        (r"\pi", r"\frac{22}{7}"),
        ("x+1", "x-1"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "1"),
        (r"\{1,2\}", r"\{1,3\}"),
        ("1,2", "1,2,3"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
        ("52_8", "52_9"),
        ("12", r"\text{even}"),
        ("x - y = 3", "3"),
        (r"(1,234)", "1234"),
    ],
)
def test_different(a: str, b: str) -> None:
    assert AnswerComparison().same(a, b) is False


@pytest.mark.parametrize(
    "latex",
    [
        "x2",
        "2 3",
        "x_",
        r"\text{even}",
        "(" * 150 + "1" + ")" * 150,
        r"\frac{1}{}",
        r"\foo{x}",
        "5-",
        "5+*3",
        "",
        "5 %",
        r"\sqrt[3]",
        r"\log_2",
    ],
)
def test_what_is_no_expression_is_refused(latex: str) -> None:
    with pytest.raises(Unreadable):
        read(tokenize(latex) or ())


@pytest.mark.parametrize(
    "latex", [r"\frac{1}{0}", "9^{9^{9^9}} x", "((x+y+1)^{12})^{12}", r"\infty + 1"]
)
def test_what_is_too_large_or_undefined_has_no_value(latex: str) -> None:
    found = value_of(latex)
    assert found is None or latex.startswith("9")  # an opaque name


@given(st.text(alphabet=r"0123456789xyi+-*/^_(){}[]\.,= fracsqtpm", max_size=60))
def test_it_is_total(text: str) -> None:
    """Whatever is asked, it answers True, False or None."""
    assert AnswerComparison().same(text, "1") in (True, False, None)
    assert AnswerComparison().same("1", text) in (True, False, None)
