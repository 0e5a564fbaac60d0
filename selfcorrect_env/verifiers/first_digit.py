"""The verifier of `SelfCorrect-Arithmetic-v0`: the first digit of a reply is its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import without_statement

_DIGIT = re.compile("[0-9]")
_DIGITS = "0123456789"


def first_digit(reply: str) -> str | None:
    """Return the first ASCII digit of a text, or None."""
    found = _DIGIT.search(reply)
    return found.group() if found else None


def other_digit(answer: str | None, rng: np.random.Generator) -> str:
    """Return a digit that is not ``answer``, drawn evenly."""
    return str(rng.choice([digit for digit in _DIGITS if digit != answer]))


class FirstDigitVerifier:
    """The first ASCII digit of a reply is its answer; the rest is working and is ignored.

    If the reply repeats the problem's statement, the repetition is skipped. A reply without a
    digit gets `Reason.NO_ANSWER`. Only one digit can be first, so hedging does not pay.
    """

    name = "first-digit"
    answer_format = AnswerFormat(read=first_digit, other=other_digit, expressions=False)

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        digit = first_digit(without_statement(problem, response))
        if digit is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        if digit == problem.reference:
            return Verdict(1.0, Reason.CORRECT, digit)
        return Verdict(0.0, Reason.WRONG, digit)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses in order."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
