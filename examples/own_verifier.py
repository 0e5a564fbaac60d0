"""A verifier of your own: an answer may deviate from the reference by one percent.

    python examples/own_verifier.py

A plain function ``(problem, response) -> bool`` is enough. A class with ``verify`` and
``verify_batch`` can also say which answer it read, and that a reply has none. `check_verifier` runs
the checks that every verifier of this project passes: hostile replies, repeated and batched calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfcorrect_env import (
    Conversation,
    Problem,
    ProblemSet,
    Reason,
    SelfCorrectEnv,
    Verdict,
    evaluate,
)
from selfcorrect_env.testing import check_verifier

NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")

PROBLEMS = ProblemSet(
    [
        Problem(id="light", prompt="Speed of light in km/s?", reference="299792.458"),
        Problem(id="earth", prompt="Mean radius of the Earth in km?", reference="6371"),
        Problem(
            id="water",
            prompt="Density of water at 4 degrees Celsius in kg/m^3?",
            reference="999.97",
        ),
    ],
    name="physics",
)


def close(problem: Problem, response: str) -> bool:
    """Whether the last number of the response is within one percent of the reference."""
    numbers = NUMBER.findall(response)
    reference = float(problem.reference)
    return bool(numbers) and abs(float(numbers[-1]) - reference) <= 0.01 * abs(reference)


class CloseVerifier:
    """The same as a class: its verdicts say what was read."""

    name = "close"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        numbers = NUMBER.findall(response)
        if not numbers:
            return Verdict(0.0, Reason.NO_ANSWER)
        if close(problem, response):
            return Verdict(1.0, Reason.CORRECT, numbers[-1])
        return Verdict(0.0, Reason.WRONG, numbers[-1])

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many, one after the other."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]


def rounds_up(conversation: Conversation) -> str:
    """Answer 300,000 to everything, then think again about water and the Earth."""
    if len(conversation) == 1:
        return "About 300000."
    return {"light": "300000", "radius": "About 6400 km.", "water": "I do not know."}[
        next(word for word in ("light", "radius", "water") if word in conversation[0]["content"])
    ]


def main() -> None:
    """Check the verifier, then measure an agent with it."""
    check_verifier(CloseVerifier(), PROBLEMS)
    check_verifier(close, PROBLEMS)
    report = evaluate(rounds_up, SelfCorrectEnv(PROBLEMS, verifier=CloseVerifier()))
    print(report)
    for episode in report.episodes:
        print(episode.problem.id, [attempt.verdict for attempt in episode.attempts])


if __name__ == "__main__":
    main()
