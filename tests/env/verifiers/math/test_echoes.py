r"""The statement is not the answer: answers that repeat it, or lack the form that it asks for."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Problem, Reason
from selfcorrect_env.verifiers.math.answer_forms import ANSWER_FORM, has_form
from selfcorrect_env.verifiers.math.echoes import contains, expressions, repeats
from selfcorrect_env.verifiers.math.verifier import MathVerifier

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"
VERIFIER = MathVerifier(deadline=30, workers=1)

ECHOES = [
    ("Expand $(x+8)(x+2)$.", "x^2+10x+16", "(x+8)(x+2)"),
    ("Expand $(x+8)(x+2)$.", "x^2+10x+16", "(x+2)(x+8)"),
    ("Expand $(x+8)(x+2)$.", "x^2+10x+16", r"\left(8 + x\right) \cdot (x + 2)"),
    ("Factor $x^2 + 5x + 6$.", "(x+2)(x+3)", "x^2+5x+6"),
    ("Factor $x^2 + 5x + 6$.", "(x+2)(x+3)", "6 + 5x + x^2"),
    (r"Simplify $\sqrt{50}$.", r"5\sqrt{2}", r"\sqrt{50}"),
    (r"Simplify $\sqrt{50}$.", r"5\sqrt{2}", "sqrt(50)"),
    (r"Simplify $\sqrt{50}$.", r"5\sqrt{2}", r"\sqrt{50} + 0"),
    (r"Simplify $\sqrt{50}$.", r"5\sqrt{2}", r"\sqrt{50.0}"),
    (r"Simplify $\frac{6}{8}$.", r"\frac{3}{4}", r"\frac{6}{8}"),
    (r"Write $\frac{3}{20}$ as a decimal.", "0.15", "3/20"),
    (r"Compute \[99^2 + 99 + 1.\]", "9901", "99^2+99+1"),
    ("Compute $$2^{10}$$", "1024", "2^{10}"),
    (r"Compute $\dbinom{5}{2}$.", "10", r"\binom{5}{2}"),
    (r"Evaluate $\log_2 64$.", "6", r"\log_2 64"),
    ("Solve $x = 441 + 361$ for $x$.", "802", "x = 441+361"),
    ("Solve $3 + 4 = x$.", "7", "3+4"),
    ("What is 4 + 3 * 2?", "10", "4+3*2"),
    ("What is 4 + 3 * 2?", "10", r"4 + 3 \times 2"),
    ("What is 12 / 4?", "3", "12/4"),
    (r"Compute $\sin 30^\circ$.", r"\frac{1}{2}", r"\sin 30^\circ"),
    ("Compute $(1+2i)(3-i)$.", "5 + 5i", "(1+2i)(3-i)"),
]

ANSWERS = [
    ("Expand $(x+8)(x+2)$.", "x^2+10x+16", "16 + 10x + x^2"),
    ("Expand $(x+8)(x+2)$.", "x^2+10x+16", "x^2 + 8x + 2x + 16"),
    (r"Simplify $\sqrt{50}$.", r"5\sqrt{2}", r"\sqrt{2} \cdot 5"),
    ("Which is larger, $2^{30}$ or $3^{20}$?", "3^{20}", "3^{20}"),
    ("Which is larger, $2^{30}$ or $3^{20}$?", "3^{20}", "3486784401"),
    ("Which of $3$, $5$ and $7$ divides $35 + 3$ with rest 3?", "5", "5"),
    ("Which of 3, 5 and 7 is even?", "7", "7.0"),
    ("If $x = 5$, what is $x$?", "5", "x = 5"),
    ("What is the value of $y$ if $y + 1 = 1{,}001$?", "1000", "1,000"),
    (r"The chance of rain is $\frac{1}{2}$. What is the chance of none?", r"\frac{1}{2}", "1/2"),
    ("Reflect $(1, 2)$ in the line $y = x$.", "(2, 1)", "(2,1)"),
    ("Is $f(x) = x^2$ even or odd?", r"\text{even}", "even"),
    (r"Let $f(x) = x^2 + 1$. What is $f(f(x))$?", "x^4 + 2x^2 + 2", "(x^2+1)^2 + 1"),
    (r"The angle is $60^\circ$. What is the other one?", r"60^\circ", "60"),
    ("Simplify $x$.", "x", "x"),
    ("", "2^{10}", "1024"),
]


@pytest.mark.parametrize(("statement", "reference", "answer"), ECHOES)
def test_repeating_the_statement_is_no_answer(statement: str, reference: str, answer: str) -> None:
    problem = Problem(id="1", prompt=statement, reference=reference)
    verdict = VERIFIER.verify(problem, rf"It is $\boxed{{{answer}}}$.")
    assert verdict.reason is Reason.WRONG
    assert verdict.detail == "the answer only repeats the statement"
    assert VERIFIER.verify(problem, rf"It is $\boxed{{{reference}}}$.").correct


@pytest.mark.parametrize(("statement", "reference", "answer"), ANSWERS)
def test_other_answers_are_judged_by_their_value(
    statement: str, reference: str, answer: str
) -> None:
    problem = Problem(id="1", prompt=statement, reference=reference)
    assert VERIFIER.verify(problem, rf"It is $\boxed{{{answer}}}$.").correct


@pytest.mark.parametrize(
    ("form", "answer", "has"),
    [
        ("expanded", "x^2 + 10x + 16", True),
        ("expanded", "x^{2} + (10x) + 16", True),
        ("expanded", r"\frac{1}{2}x^2 - \frac{-3}{4}", True),
        ("expanded", "(x+8)(x+2) = x^2 + 10x + 16", True),
        ("expanded", "x(x + 10) + 16", False),
        ("expanded", "(x+5)^2 - 9", False),
        ("expanded", "{x+8}{x+2}", False),
        ("expanded", r"\{x+8\}\{x+2\}", False),
        ("expanded", "[x+8][x+2]", False),
        ("expanded", "((x)+(8))((x)+(2))", False),
        ("expanded", r"\frac{2(x+8)(x+2)}{2}", False),
        ("expanded", "x^2+10x+16 = (x+8)(x+2)", False),
        ("evaluated", "11", True),
        ("evaluated", "-2.5", True),
        ("evaluated", r"2\frac{1}{2}", True),
        ("evaluated", r"0.8\overline{3}", True),
        ("evaluated", "35 - 19 i", True),
        ("evaluated", "(35 + -19i)", True),
        ("evaluated", r"- \frac{61}{74} - \frac{33 i}{74}", True),
        ("evaluated", r"-\frac{61+33i}{74}", True),
        ("evaluated", r"35 - 19 \cdot i", True),
        ("evaluated", r"\begin{pmatrix} 1 & -2 \\ \frac{1}{2} & 0 \end{pmatrix}", True),
        ("evaluated", "3 + 8", False),
        ("evaluated", r"3 + 2 \cdot 4", False),
        ("evaluated", r"\frac{1+4}{2}", False),
        ("evaluated", "(5+i)(6-5i)", False),
        ("evaluated", "30 + 5 - 19i", False),
        ("evaluated", "2^5", False),
        ("evaluated", r"\begin{pmatrix} 1+1 & 2 \end{pmatrix}", False),
        ("evaluated", "", False),
    ],
)
def test_forms(form: str, answer: str, has: bool) -> None:
    assert has_form(form, answer) == has


def test_the_form_decides_with_the_value() -> None:
    problem = Problem(
        id="1", prompt="Expand it.", reference="x^2 + x", metadata={ANSWER_FORM: "expanded"}
    )
    assert VERIFIER.verify(problem, r"\boxed{x + x^2}").correct
    verdict = VERIFIER.verify(problem, r"\boxed{x(x+1)}")
    assert (verdict.reason, verdict.detail) == (Reason.WRONG, "the answer is not expanded")
    assert not VERIFIER.verify(problem, r"\boxed{x^2 - x}").correct


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(ValueError, match="one of evaluated, expanded, got 'nice'"):
        has_form("nice", "5")


def test_expressions_of_a_statement() -> None:
    statement = "Let $a = 2b + 1 < 7$. If 3 + 4 * 2 people pay $5 each, what is \\[a^2?\\]"
    assert expressions(statement) == ("a = 2b + 1 < 7", "a^2", "2b + 1", "3 + 4 * 2")
    assert not contains(statement, "7")
    assert contains(statement, "1 + 2b")


@given(st.text(), st.text(), st.text())
def test_any_text_may_be_compared(statement: str, reference: str, answer: str) -> None:
    assert not (repeats(statement, reference, answer) and not contains(statement, answer))
    assert not repeats(statement, answer, answer)


def test_no_reference_of_math500_is_an_echo_but_one() -> None:
    path = DATA / "math500.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [row["problem"] for row in rows if contains(row["problem"], row["answer"])]
    assert found == [r"What is $\sqrt{53}$ in simplest radical form?"]
