"""The exact verifier: the final answer equals the reference as text."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat


class ExactVerifier:
    r"""A reply is right if the reply, or its last line, equals the reference.

    The comparison ignores case, treats every run of white space as one space, and strips white
    space and full stops at both ends. It tries the whole reply first, then the last line that is
    not empty.
    """

    name = "exact"
    answer_format = AnswerFormat(read=lambda reply: last_line(reply))

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
        """Judge many responses in order."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]


def last_line(reply: str) -> str | None:
    """Return the last line that is not empty, normalised; None if there is none."""
    lines = [line for line in reply.splitlines() if line.strip()]
    return normalised(lines[-1]) or None if lines else None


def normalised(text: str) -> str:
    """Return ``text`` in lower case, single-spaced, without spaces and full stops at its ends."""
    return " ".join(text.split()).casefold().strip(" .")
