"""The exact verifier: the final answer is the reference, letter by letter."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_env.types import Problem, Reason, Verdict


class ExactVerifier:
    r"""A reply is right if it, or the last line of it, is the reference.

    Upper and lower case count as the same, every run of white space as one space, and white
    space and full stops at the ends are left out. The answer is looked for in the whole
    reply, then in its last line that is not empty.
    """

    name = "exact"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        whole = normalised(response)
        if not whole:
            return Verdict(0.0, Reason.NO_ANSWER)
        lines = [line for line in response.splitlines() if line.strip()]
        last = normalised(lines[-1]) if lines else whole
        reference = normalised(problem.reference)
        if whole == reference:
            return Verdict(1.0, Reason.CORRECT, whole)
        correct = last == reference
        return Verdict(float(correct), Reason.CORRECT if correct else Reason.WRONG, last)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many, one after the other."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]


def normalised(text: str) -> str:
    """Return ``text`` in lower case, single-spaced, without spaces and full stops at its ends."""
    return " ".join(text.split()).casefold().strip(" .")
