"""The verifier ``last-digit``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfcorrect_env import Problem, Reason, Verdict


class LastDigitVerifier:
    """The last digit of the reply equals the reference."""

    name = "last-digit"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        digits = re.findall("[0-9]", response)
        if not digits:
            return Verdict(0.0, Reason.NO_ANSWER)
        if digits[-1] == problem.reference:
            return Verdict(1.0, Reason.CORRECT, digits[-1])
        return Verdict(0.0, Reason.WRONG, digits[-1])

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many, one after the other."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
