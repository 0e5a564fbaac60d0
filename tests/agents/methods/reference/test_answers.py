"""Reading answers without a verifier, and writing others, beside what the verifiers read."""

import numpy as np
import pytest

from selfcorrect_agents.methods.reference.answers import format_for
from selfcorrect_env import Problem, UnknownNameError
from selfcorrect_env.errors import AgentError
from selfcorrect_env.prompts import PROMPTS
from selfcorrect_env.verifiers import answer_format, get_verifier

PROBLEM = Problem(id="1", prompt="?", reference="7")

SAME = [
    ("first-digit", "7 412", "x7", True),
    ("first-digit", "7", "4 7", False),
    ("toycode", "+1*71-47+18", "*7-4?3>8= -9", True),
    ("toycode", "+0", "-0", True),
    ("toycode", "+1", "+9+1", False),
    ("toycode", "*2", "+2", False),
    ("math", r"So \boxed{\frac{1}{2}}.", r"The final answer is $\frac12$.", True),
    ("math", r"So \boxed{2}.", "It is 3", False),
    ("reasoning-gym", "<answer>Red </answer>", "well <answer>Red</answer>!", True),
    ("exact", "a\nThe  End.", "the end", True),
    ("code", "def f():\n  return 1", "def f():\n return 1\n", True),
    ("code", "f", "F", False),
]


@pytest.mark.parametrize(("name", "one", "other", "same"), SAME)
def test_the_same_answer_reads_the_same(name: str, one: str, other: str, same: bool) -> None:
    read = answer_format(name).read
    assert (read(one) == read(other)) is same
    assert read("") is None


@pytest.mark.parametrize(
    ("form", "verifier"),
    [
        ("first-digit", "first-digit"),
        ("math", "math"),
        ("exact", "exact"),
        ("code", "exact"),
        ("reasoning-gym", "exact"),
    ],
)
@pytest.mark.parametrize("first", ["7", "3", "", r"\boxed{\sqrt{49}}", r"\boxed{x^2 + \pi}"])
def test_another_answer_is_another_to_the_verifier(form: str, verifier: str, first: str) -> None:
    judge, rng, this = get_verifier(verifier), np.random.default_rng(0), answer_format(form)
    before = judge.verify(PROBLEM, first)
    for _ in range(30):
        reply = this.another(this.read(first), rng)
        after = judge.verify(PROBLEM, reply)
        assert after.answer is not None
        assert after.answer != before.answer
        assert not (before.correct and after.correct)
        assert this.read(reply) != this.read(first)


@pytest.mark.parametrize("first", ["+1", "-9", "+4", "-0", "*7", "", "3>8"])
def test_another_sum_is_another_operation(first: str) -> None:
    """Whatever was right is wrong after it; a product alone may be right twice (*7 is +1 here)."""
    problem = Problem(id="1", prompt="*7-4?3>8=", reference="+1")
    judge, rng, this = get_verifier("toycode"), np.random.default_rng(0), answer_format("toycode")
    before = judge.verify(problem, first)
    for _ in range(50):
        after = judge.verify(problem, this.another(this.read(first), rng))
        assert after.answer is not None
        assert after.answer != before.answer
        assert not (before.correct and after.correct) or first.startswith("*")


def test_other_digits_come_evenly() -> None:
    """Nine digits, 9,000 draws: each 1,000 ± 30, here within 5 standard deviations; a false
    alarm has probability 9 · 6e-7."""
    rng = np.random.default_rng(1)
    drawn = [answer_format("first-digit").another("4", rng) for _ in range(9_000)]
    counts = {digit: drawn.count(digit) for digit in "0123456789"}
    assert counts.pop("4") == 0
    assert all(abs(count - 1_000) < 150 for count in counts.values())


@pytest.mark.parametrize(
    ("prompts", "form"),
    [
        ("arithmetic", "first-digit"),
        ("toycode", "toycode"),
        ("gsm8k", "math"),
        ("mbpp", "code"),
        ("answer-tags", "reasoning-gym"),
    ],
)
def test_auto_goes_by_the_instruction(prompts: str, form: str) -> None:
    asked = PROMPTS[prompts].correct(PROMPTS[prompts].first(PROBLEM), "3")
    assert format_for("auto", asked) is answer_format(form)


def test_a_form_of_ones_own_and_names_that_are_none() -> None:
    asked = PROMPTS["plain"].correct(PROMPTS["plain"].first(PROBLEM), "3")
    assert format_for("string:capwords", asked).read("so  it is") == "So It Is"
    with pytest.raises(UnknownNameError, match="Did you mean 'math'"):
        format_for("maths", asked)
    with pytest.raises(AgentError, match="cannot be imported"):
        format_for("no_such_module:read", asked)
    with pytest.raises(AgentError, match="does not determine how to read answers"):
        format_for("auto", asked)
