"""The math verifier: does the final answer equal the reference, as mathematics?"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import without_statement
from selfcorrect_env.verifiers.math.answer_forms import ANSWER_FORM, has_form
from selfcorrect_env.verifiers.math.answer_kinds import Parts
from selfcorrect_env.verifiers.math.choices import choice, several_choices
from selfcorrect_env.verifiers.math.commitment import doubtful
from selfcorrect_env.verifiers.math.echoes import repeats
from selfcorrect_env.verifiers.math.equality import (
    UNIT_RULES,
    AnswerComparison,
    Options,
    normal_form,
    read,
)
from selfcorrect_env.verifiers.math.extraction import (
    LONGEST,
    Found,
    final_answer,
    plain_marks,
    read_reply,
)
from selfcorrect_env.verifiers.math.polar import polar, polar_reply
from selfcorrect_env.verifiers.math.spoken import without_sentence
from selfcorrect_env.verifiers.thoughts import separated
from selfcorrect_env.verifiers.workers.pool import MEBIBYTE, CallResult, Status, WorkerPool

_CACHED = 20_000
_WORKED = re.compile(r"\\boxed|\\fbox|####|<answer>|final answer is", re.IGNORECASE)
_MARKED = re.compile(r"\\boxed|####|answer", re.IGNORECASE)
_EQUALS = re.compile(r"(?<![<>!=])=")


def read_answer(reply: str) -> str | None:
    """Return the final answer of a reply in normal form, or None."""
    found = final_answer(reply)
    return normal_form(found.answer) if found and found.answer.strip() else None


def other_number(answer: str | None, rng: np.random.Generator) -> str:
    """Return a number of one digit that is not ``answer``, or a large number if none is known."""
    comparison = AnswerComparison()
    digits = [d for d in "0123456789" if answer is None or comparison.same(d, answer) is False]
    return str(rng.choice(digits) if digits else rng.integers(10**8, 10**9))


class MathVerifier:
    r"""Judges the last answer of a response by mathematical equality with the reference.

    `selfcorrect_env.verifiers.math.extraction` extracts the answer,
    `selfcorrect_env.verifiers.math.answers` reads it whole, and
    `selfcorrect_env.verifiers.math.equality` compares it part by part in exact arithmetic. What
    that leaves open, such as trigonometric identities, is evaluated in high precision
    (`selfcorrect_env.verifiers.math.numeric`), in a worker process with a deadline and a memory
    limit (`selfcorrect_env.verifiers.workers.pool`).

    Verdicts: ``correct``; ``wrong``; ``no answer``; ``ambiguous`` if a reply gives several
    answers to a question that has one; ``timeout`` if *this answer* exceeded the deadline or the
    memory limit; ``error`` if the workers failed, which implies nothing about the answer.

    Args:
        deadline: seconds of processor time per answer in a worker, > 0.
        workers: maximum number of worker processes; by default the number of CPUs, at most 4.
        memory_mb: address space per worker, in MiB.
        tolerance: relative tolerance, >= 0: a decimal equals a number from which it differs by at
            most this share of the reference. By default decimals are exact, or have at least
            twelve significant digits that are all right.
        units: ``"match"``: units may be left out, but two units must agree; ``"require"``: both
            sides have the same unit, or none; ``"ignore"``: units are not compared.

    Raises:
        ValueError: an argument is outside its range.

    >>> verifier = MathVerifier()
    >>> half = Problem(id="1", prompt="What is 1 - 1/2?", reference=r"\frac{1}{2}")
    >>> verifier.verify(half, r"It is $\boxed{0.5}$.").reason.value
    'correct'
    """

    name = "math"
    answer_format = AnswerFormat(
        replies=(
            r"It is $\boxed{{answer}}$.",
            "Final Answer: The final answer is ${answer}$. I hope it is correct.",
        ),
        hedge=r"It is $\boxed{{answer}}$ or $\boxed{{other}}$.",
        read=read_answer,
        other=other_number,
    )

    def __init__(
        self,
        deadline: float = 1.0,
        workers: int | None = None,
        memory_mb: int = 2048,
        tolerance: float = 0.0,
        units: str = "match",
    ) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, got {deadline!r}.")
        if not 0 <= tolerance < 1:
            raise ValueError(f"tolerance must be a share in [0, 1), got {tolerance!r}.")
        if units not in UNIT_RULES:
            raise ValueError(f"units must be one of {', '.join(UNIT_RULES)}, got {units!r}.")
        self.deadline = deadline
        self.options = Options(tolerance, units)
        self._comparison = AnswerComparison(self.options)
        self._arguments = (deadline, workers, memory_mb, tolerance, units)
        self._pool = WorkerPool(
            "selfcorrect_env.verifiers.math.symbolic:equal",
            workers=workers,
            memory=memory_mb * MEBIBYTE,
            warm_up=(r"\sin 2x", r"2\sin x\cos x"),
        )
        self._known: dict[tuple[str, str], bool | None] = {}
        self._lock = threading.Lock()
        self._pool.start()  # a worker takes a second until it is ready

    def __reduce__(self) -> tuple[Any, ...]:
        return MathVerifier, self._arguments  # a copy has its own workers

    def __repr__(self) -> str:
        return f"MathVerifier(deadline={self.deadline:g}, {self.options})"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses; those that need an evaluation are distributed over the workers."""
        quick = [
            quick_verdict(problem.reference, without_statement(problem, response), self._comparison)
            for problem, response in zip(problems, responses, strict=True)
        ]
        quick = [_answered(*pair) for pair in zip(problems, quick, strict=True)]
        hard = [pair for pair in quick if not isinstance(pair, Verdict)]
        compared = self._compare(list(dict.fromkeys(hard)))
        return [
            it if isinstance(it, Verdict) else _in_form(problem, compared[it])
            for problem, it in zip(problems, quick, strict=True)
        ]

    def close(self) -> None:
        """Kill the worker processes; they start again when needed."""
        self._pool.close()

    def _compare(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Verdict]:
        """Compare (reference, answer) pairs in the workers."""
        with self._lock:
            known = {pair: self._known[pair] for pair in pairs if pair in self._known}
        new = [pair for pair in pairs if pair not in known]
        verdicts = {pair: _evaluated(pair[1], value) for pair, value in known.items()}
        calls = [(*pair, self.options.tolerance, self.options.units) for pair in new]
        outcomes = self._pool.run_all(calls, deadline=self.deadline)
        for pair, outcome in zip(new, outcomes, strict=True):
            verdicts[pair] = _verdict_of(pair[1], outcome)
            if outcome.status is Status.DONE:
                self._remember(pair, outcome.value)
        return verdicts

    def _remember(self, pair: tuple[str, str], value: bool | None) -> None:
        with self._lock:
            while len(self._known) >= _CACHED:
                del self._known[next(iter(self._known))]
            self._known[pair] = value


@functools.lru_cache(maxsize=_CACHED)
def _answer_of(reference: str) -> str:
    """Return the answer in a reference: the whole text, unless it is a worked solution."""
    found = final_answer(reference) if _WORKED.search(reference) else None
    if found:
        return ", ".join([*reversed(found.rivals), found.answer])
    return plain_marks(reference)


def quick_verdict(
    reference: str, response: str, comparison: AnswerComparison | None = None
) -> Verdict | tuple[str, str]:
    """Judge without a worker if possible.

    Returns:
        The verdict, or the reference and the answer if they have to be evaluated.
    """
    if response.strip() and response.strip() == reference.strip():  # for example words and formulas
        return Verdict(1.0, Reason.CORRECT, response.strip()[:LONGEST])
    reference = _answer_of(reference)
    found = read_reply(response)
    if not found.answer.strip():
        return Verdict(0.0, Reason.NO_ANSWER, detail=found.missing)
    if expected := polar(reference):
        given = polar_reply(found.answer)
        if not given and not _MARKED.search(response):
            given = polar_reply(separated(response).reply.strip())
        if given:
            return Verdict(
                float(given == expected),
                Reason.CORRECT if given == expected else Reason.WRONG,
                given,
            )
    answer = found.answer + "!" * (found.exclaimed and "!" in reference)
    if len(answer) > LONGEST:
        detail = f"the answer has {len(answer):,} characters; at most {LONGEST:,} are allowed"
        return Verdict(0.0, Reason.WRONG, answer[:100], detail)
    if doubtful(answer) and not doubtful(reference):
        return Verdict(0.0, Reason.WRONG, answer, "the reply does not commit itself to the answer")
    if expected := choice(reference):
        if given := choice(answer):
            return _choice_verdict(answer, expected[0], *given)
        reference = expected[1] or reference  # 12 answers "(B) 12"
    if without_sentence(reference) == reference:
        answer = without_sentence(answer)
    return _compared(reference, found, answer, comparison or AnswerComparison())


def _choice_verdict(answer: str, expected: str, letter: str, text: str) -> Verdict:
    if several_choices(text):
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several choices where one is expected")
    equal = letter == expected
    return Verdict(float(equal), Reason.CORRECT if equal else Reason.WRONG, answer)


def _compared(
    reference: str, found: Found, answer: str, comparison: AnswerComparison
) -> Verdict | tuple[str, str]:
    """Compare the answer that was found with the reference, without a worker if possible."""
    if found.loose and "=" not in reference and not _has_parts(answer):
        answer = _EQUALS.split(answer)[-1].strip()  # the end of a calculation
    several = _has_parts(reference)
    if found.named and _is_tuple(reference):
        answer, found = found.named, Found(found.named)
    if several and found.siblings and not _has_parts(answer):
        answer = ", ".join([*reversed(found.siblings), answer])
    elif not several and any(comparison.same(answer, rival) is not True for rival in found.rivals):
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several different boxed answers")
    equal = comparison.same(reference, answer)
    if equal is None:
        return reference, answer
    if not equal and not several and _has_parts(answer):
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several answers where one is expected")
    return Verdict(float(equal), Reason.CORRECT if equal else Reason.WRONG, answer)


def _answered(problem: Problem, judged: Verdict | tuple[str, str]) -> Verdict | tuple[str, str]:
    """Return the verdict, or "wrong" for an answer that repeats the statement or lacks its form."""
    if isinstance(judged, Verdict) and not judged.correct:
        return judged
    answer = judged.answer or "" if isinstance(judged, Verdict) else judged[1]
    if repeats(problem.prompt, _answer_of(problem.reference), answer):
        return Verdict(0.0, Reason.WRONG, answer, "the answer only repeats the statement")
    return _in_form(problem, judged) if isinstance(judged, Verdict) else judged


def _in_form(problem: Problem, verdict: Verdict) -> Verdict:
    form = problem.metadata.get(ANSWER_FORM)
    if form is None or not verdict.correct or has_form(form, verdict.answer or ""):
        return verdict
    return Verdict(0.0, Reason.WRONG, verdict.answer, f"the answer is not {form}")


def _has_parts(answer: str) -> bool:
    """Return whether an answer is a list of several values."""
    found = read(answer)
    return (
        isinstance(found, Parts) and found.kind in ("list", "{}", "order") and len(found.parts) > 1
    )


def _is_tuple(answer: str) -> bool:
    found = read(answer)
    return isinstance(found, Parts) and found.kind == "()"


def _verdict_of(answer: str, outcome: CallResult) -> Verdict:
    if outcome.status is Status.DONE:
        return _evaluated(answer, outcome.value)
    exceeded = outcome.status in (Status.TIMEOUT, Status.MEMORY)
    reason = Reason.TIMEOUT if exceeded else Reason.ERROR
    return Verdict(0.0, reason, answer, outcome.detail)


def _evaluated(answer: str, value: bool | None) -> Verdict:
    if value:
        return Verdict(1.0, Reason.CORRECT, answer)
    detail = "" if value is False else "equality could not be decided, so it does not count"
    return Verdict(0.0, Reason.WRONG, answer, detail)
