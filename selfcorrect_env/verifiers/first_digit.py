"""The verifier of `SelfCorrect-Arithmetic-v0`: the first digit of a reply is its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.base import without_statement

_DIGIT = re.compile("[0-9]")


class FirstDigitVerifier:
    """The first ASCII digit of a reply is its answer; the rest is working and is ignored.

    If the reply repeats the problem's statement, the repetition is skipped. A reply without a
    digit gets `Reason.NO_ANSWER`. Only one digit can be first, so hedging does not pay.
    """

    name = "first-digit"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        found = _DIGIT.search(without_statement(problem, response))
        if found is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        digit = found.group()
        if digit == problem.reference:
            return Verdict(1.0, Reason.CORRECT, digit)
        return Verdict(0.0, Reason.WRONG, digit)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses in order."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
