"""What every verifier shares: the adaptor for plain functions and the boundary around failures."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from selfcorrect_env.types import Problem, Reason, ScoreFunction, Verdict, Verifier
from selfcorrect_env.verifiers.answer_format import PLAIN, AnswerFormat
from selfcorrect_env.verifiers.signatures import check_signature

SHORTEST_STATEMENT = 4
"""Characters; a shorter statement may well be part of an answer."""


class FunctionVerifier:
    """A plain function ``(problem, response) -> float | bool | Verdict`` as a `Verifier`.

    A score of 1 (or True) is *correct*, 0 (or False) is *wrong*, and a score between them is
    *partial credit*: it is the reward, but the response counts as incorrect. An exception, or a
    score outside [0, 1], gives a verdict with the reason ``error``: that response counts as not
    judged. The function runs in this process and without a deadline, so it should return soon for
    any text.

    Raises:
        TypeError: the function cannot be called with a problem and a response, or is ``async``.
    """

    def __init__(self, function: ScoreFunction, name: str | None = None) -> None:
        self.name = name or _name_of(function)
        check_signature(function, self.name)
        self.function = function
        self.answer_format: AnswerFormat = getattr(function, "answer_format", PLAIN)

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        result = self.function(problem, response)
        if isinstance(result, Verdict):
            return result
        if isinstance(result, str | bytes):  # float("1") would accept it
            raise ValueError(f"it returned {result!r:.60}; expected a number or a bool")
        score = float(result)
        if not 0.0 <= score <= 1.0:  # also refuses nan
            return failed(f"{self.name} returned {result!r:.60}; a score must be in [0, 1]")
        return Verdict(score, reason_of(score), response)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many; one failure leaves the others unharmed."""
        return verify_each(self, problems, responses)

    def __repr__(self) -> str:
        return f"FunctionVerifier({self.name})"


def as_verifier(verifier: Verifier | ScoreFunction) -> Verifier:
    """Return ``verifier`` as a `Verifier`: unchanged, or a plain function wrapped.

    Raises:
        TypeError: it is neither, or it cannot be called with a problem and a response.
    """
    if isinstance(verifier, Verifier) and not isinstance(verifier, type):
        for method in ("verify", "verify_batch"):
            check_signature(getattr(verifier, method), f"{type(verifier).__name__}.{method}")
        return verifier
    if callable(verifier):
        return cast(Verifier, FunctionVerifier(verifier))
    raise TypeError(
        "A verifier is a name, an object with `name`, `verify` and `verify_batch`, or a function "
        f"(problem, response) -> float | bool; got {type(verifier).__name__}."
    )


def _name_of(function: object) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def without_statement(problem: Problem, response: str) -> str:
    """Return ``response`` without any copy of the problem's own statement.

    Repeating the question is no answer, though many a statement ends in a number, or in an
    expression that equals the answer. A statement below `SHORTEST_STATEMENT` characters stays.
    """
    statement = problem.prompt.strip()
    return response if len(statement) < SHORTEST_STATEMENT else response.replace(statement, "\n")


def reason_of(score: float) -> Reason:
    """Return the reason of a plain score in [0, 1]: correct, partial credit or wrong."""
    if score == 1.0:
        return Reason.CORRECT
    return Reason.PARTIAL if score > 0.0 else Reason.WRONG


def failed(detail: str) -> Verdict:
    """Return the verdict of a verifier that failed: not judged, and ``detail`` gives the cause."""
    return Verdict(0.0, Reason.ERROR, detail=detail)


def verify_each(
    verifier: Verifier, problems: Sequence[Problem], responses: Sequence[str]
) -> list[Verdict]:
    """Judge one after another; an exception in one becomes its verdict of reason ``error``."""
    verdicts = []
    for problem, response in zip(problems, responses, strict=True):
        try:
            verdict = verifier.verify(problem, response)
        except Exception as error:
            verdict = failed(f"{verifier.name} raised {type(error).__name__}: {error}")
        if not isinstance(verdict, Verdict):
            kind = type(verdict).__name__
            verdict = failed(f"{verifier.name}.verify returned a {kind}, expected a Verdict")
        verdicts.append(verdict)
    return verdicts


def judge(
    verifier: Verifier, problems: Sequence[Problem], responses: Sequence[str]
) -> list[Verdict]:
    """Judge a batch so that a failing verifier is data, never a crash (the environment's door).

    Where a problem has several accepted answers (`Problem.accepted`), a response that is not
    correct by the reference is judged by each of the others: the best verdict counts, and it is an
    error if none is better and the verifier failed at one of them.

    Args:
        verifier: who judges.
        problems: one for each response.
        responses: the replies.

    Returns:
        One verdict for each response, in order. Where the batched call itself raises, or
        returns something else than that many verdicts, each response is judged alone.
    """
    verdicts = _judge(verifier, problems, responses)
    others = [
        (index, replace(problem, reference=answer))
        for index, (problem, verdict) in enumerate(zip(problems, verdicts, strict=True))
        if not verdict.correct
        for answer in problem.accepted
    ]
    if others:
        again = [responses[index] for index, _ in others]
        for (index, _), verdict in zip(
            others, _judge(verifier, [problem for _, problem in others], again), strict=True
        ):
            verdicts[index] = _better(verdicts[index], verdict)
    return verdicts


def _better(verdict: Verdict, other: Verdict) -> Verdict:
    if other.score != verdict.score:
        return max(verdict, other, key=lambda each: each.score)
    return verdict if other.judged else other


def _judge(
    verifier: Verifier, problems: Sequence[Problem], responses: Sequence[str]
) -> list[Verdict]:
    try:
        verdicts = list(verifier.verify_batch(problems, responses))
        if len(verdicts) == len(responses) and all(isinstance(v, Verdict) for v in verdicts):
            return verdicts
    except Exception as error:
        if len(responses) == 1:
            return [failed(f"{verifier.name} raised {type(error).__name__}: {error}")]
    return verify_each(verifier, problems, responses)
