"""The verifier of `SelfCorrect-Sums-v0`: the first line of a reply gives the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat, random_word

_LINE = re.compile(r"\W*answer\W*?:(.*?)(?:\bworking\W*:.*)?", re.IGNORECASE)
_MARKS = " \t*_`$\"'."
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+")


def answer_line(reply: str) -> str | None:
    r"""Return the answer of a reply whose first line is ``Answer: …``; None if it is not.

    Case, emphasis, quotes, ``$`` and a full stop around it do not matter, nor do the commas of
    thousands. The answer ends where ``Working:`` starts, if that is on the same line.

    >>> answer_line("**Answer:** 32.\nWorking: 14 + 27 = 41, 41 - 9 = 32")
    '32'
    >>> answer_line("Working: 14 + 27 - 9 = 32\nAnswer: 32") is None
    True
    """
    found = _LINE.fullmatch(reply.strip().partition("\n")[0].rstrip())
    answer = " ".join(found[1].strip(_MARKS).split()).casefold() if found else ""
    return (answer.replace(",", "") if _THOUSANDS.fullmatch(answer) else answer) or None


def other_answer(answer: str | None, rng: np.random.Generator) -> str:
    """Return a number up to 9 away from ``answer``; a random word if it is not a whole number."""
    if answer is None or not re.fullmatch(r"-?\d+", answer):
        return random_word(answer, rng)
    return str(int(answer) + int(rng.integers(1, 10)) * int(rng.choice([-1, 1])))


class AnswerLineVerifier:
    """A reply is right if its first line is ``Answer:`` and the reference, as text.

    The other lines are ignored, so nothing but the order of the lines makes a model answer before
    it works: a reply that starts with anything else gets `Reason.NO_ANSWER`. A line with more than
    the answer, such as an expression that equals it or two answers, is wrong.
    """

    name = "answer-line"
    answer_format = AnswerFormat(
        replies=("Answer: {answer}", "Answer: {answer}\nWorking: as above"),
        hedge="Answer: {answer}\nAnswer: {other}",
        read=answer_line,
        other=other_answer,
    )

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        answer = answer_line(response)
        if answer is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        if answer == answer_line(f"Answer: {problem.reference}"):
            return Verdict(1.0, Reason.CORRECT, answer)
        return Verdict(0.0, Reason.WRONG, answer)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses in order."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
