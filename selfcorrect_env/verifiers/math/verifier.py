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
from selfcorrect_env.verifiers.math.choices import choice, several_choices
from selfcorrect_env.verifiers.math.commitment import doubtful
from selfcorrect_env.verifiers.math.extraction import (
    LONGEST,
    Found,
    final_answer,
    plain_marks,
    read_reply,
)
from selfcorrect_env.verifiers.math.named_values import as_values
from selfcorrect_env.verifiers.math.normal_form import normal_form, number, without_base
from selfcorrect_env.verifiers.math.structure import equal_forms, top_level_parts
from selfcorrect_env.verifiers.math.typed_math import latex
from selfcorrect_env.verifiers.workers.pool import MEBIBYTE, CallResult, Status, WorkerPool

_CACHED = 20_000
_OR = re.compile(r"(?:\\text\s*\{\s*(?:or|and)\s*\}|(?<![A-Za-z])(?:or|and)(?![A-Za-z]))")

_WORKED = re.compile(r"\\boxed|\\fbox|####|<answer>|final answer is", re.IGNORECASE)
_EQUALS = re.compile(r"(?<![<>!=])=")
_PERCENT = re.compile(r"%|(?<![A-Za-z])(?:percent|percentage|pct)(?![A-Za-z])")

_normal_form = functools.lru_cache(maxsize=_CACHED)(normal_form)


def read_answer(reply: str) -> str | None:
    """Return the final answer of a reply in normal form, or None."""
    found = final_answer(reply)
    return normal_form(found.answer) if found and found.answer.strip() else None


def other_number(answer: str | None, rng: np.random.Generator) -> str:
    """Return a number of one digit that is not ``answer``, or a large number if none is known."""
    digits = [d for d in "0123456789" if answer is None or quickly_equal(d, answer) is False]
    return str(rng.choice(digits) if digits else rng.integers(10**8, 10**9))


class MathVerifier:
    r"""Judges the last answer of a response by mathematical equality with the reference.

    `selfcorrect_env.verifiers.math.extraction` extracts the answer. Most verdicts need no worker:
    equal normal forms (`selfcorrect_env.verifiers.math.normal_form`) or exact algebra
    (`selfcorrect_env.verifiers.math.algebra`), part by part
    (`selfcorrect_env.verifiers.math.structure`). All others need math-verify, in a worker process
    with a deadline and a memory limit (`selfcorrect_env.verifiers.workers.pool`).

    Verdicts: ``correct``; ``wrong``; ``no answer``; ``ambiguous`` if a reply gives several
    answers to a question that has one; ``timeout`` if *this answer* exceeded the deadline or the
    memory limit; ``error`` if the workers failed, which implies nothing about the answer.

    Args:
        deadline: seconds of processor time per answer for math-verify, > 0.
        workers: maximum number of worker processes; by default the number of CPUs, at most 4.
        memory_mb: address space per worker, in MiB.

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
        self, deadline: float = 1.0, workers: int | None = None, memory_mb: int = 2048
    ) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline must be above 0 seconds, got {deadline!r}.")
        self.deadline = deadline
        self._arguments = (deadline, workers, memory_mb)
        self._pool = WorkerPool(
            "selfcorrect_env.verifiers.math.symbolic:equal",
            workers=workers,
            memory=memory_mb * MEBIBYTE,
            warm_up=(r"\sin 2x", r"2\sin x\cos x"),
        )
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        # importing sympy takes a worker seconds: start one now, in the background
        warm_up = {"args": ("1", "1"), "kwargs": {"deadline": deadline}}
        threading.Thread(target=self._pool.run, daemon=True, **warm_up).start()

    def __reduce__(self) -> tuple[Any, ...]:
        return MathVerifier, self._arguments  # a copy has its own workers

    def __repr__(self) -> str:
        return f"MathVerifier(deadline={self.deadline:g})"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses; those that need math-verify are distributed over the workers."""
        quick = [
            quick_verdict(problem.reference, without_statement(problem, response))
            for problem, response in zip(problems, responses, strict=True)
        ]
        hard = [pair for pair in quick if not isinstance(pair, Verdict)]
        compared = self._compare(list(dict.fromkeys(hard)))
        return [it if isinstance(it, Verdict) else compared[it] for it in quick]

    def close(self) -> None:
        """Kill the worker processes; they start again when needed."""
        self._pool.close()

    def _compare(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Verdict]:
        """Compare (reference, answer) pairs symbolically."""
        with self._lock:
            known = {pair: self._known[pair] for pair in pairs if pair in self._known}
        new = [pair for pair in pairs if pair not in known]
        verdicts = {pair: _symbolic_verdict(pair[1], value) for pair, value in known.items()}
        for pair, outcome in zip(new, self._pool.run_all(new, deadline=self.deadline), strict=True):
            verdicts[pair] = _verdict_of(pair[1], outcome)
            if outcome.status is Status.DONE:
                self._remember(pair, outcome.value)
        return verdicts

    def _remember(self, pair: tuple[str, str], value: str) -> None:
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


def quick_verdict(reference: str, response: str) -> Verdict | tuple[str, str]:
    """Judge without sympy if possible.

    Returns:
        The verdict, or the reference and the answer if they need a symbolic comparison.
    """
    if response.strip() and response.strip() == reference.strip():  # for example words and formulas
        return Verdict(1.0, Reason.CORRECT, response.strip()[:LONGEST])
    reference = _answer_of(reference)
    found = read_reply(response)
    if not found.answer.strip():
        return Verdict(0.0, Reason.NO_ANSWER, detail=found.missing)
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
    return _compared(reference, found, answer)


def _choice_verdict(answer: str, expected: str, letter: str, text: str) -> Verdict:
    if several_choices(text):
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several choices where one is expected")
    equal = letter == expected
    return Verdict(float(equal), Reason.CORRECT if equal else Reason.WRONG, answer)


def _compared(reference: str, found: Found, answer: str) -> Verdict | tuple[str, str]:
    """Compare the answer that was found with the reference, without sympy if possible."""
    if found.loose and "=" not in reference and "," not in answer and not _OR.search(answer):
        answer = _EQUALS.split(answer)[-1].strip()  # the end of a calculation
    stated = answer
    reference, answer = as_values(reference, answer)
    several = _has_parts(reference)
    if several and found.siblings and not _has_parts(answer):
        answer = ", ".join([*reversed(found.siblings), answer])
    elif not several and any(quickly_equal(answer, rival) is not True for rival in found.rivals):
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several different boxed answers")
    if _same_decimal(reference, answer) or _same_percentage(reference, answer):
        return Verdict(1.0, Reason.CORRECT, stated)
    listed = _with_commas(answer)
    parts = top_level_parts(listed)
    if not several and len(parts) > 1 and _normal_form(answer) != _normal_form(reference):
        if all(quickly_equal(reference, part) for part in parts):  # "1/2 or 0.5"
            return Verdict(1.0, Reason.CORRECT, stated)
        return Verdict(0.0, Reason.AMBIGUOUS, answer, "several answers where one is expected")
    if several:
        answer, reference = listed, _with_commas(reference)
    equal = quickly_equal(reference, answer)
    if equal is None:
        return latex(reference), latex(answer)
    return Verdict(float(equal), Reason.CORRECT if equal else Reason.WRONG, stated)


def _has_parts(answer: str) -> bool:
    """Return whether an answer is a list or a set of several values."""
    members = re.sub(r"^\\?\{(.*?)\\?\}$", r"\1", answer.strip(" $"))
    return len(top_level_parts(members)) > 1 or bool(_OR.search(answer)) or "\\pm" in answer


def _with_commas(text: str) -> str:
    """Return "1, 2 and 3" and "1 or 2" as lists with commas."""
    return re.sub(r",(\s|\\[ ,;:!])*,", ",", _OR.sub(",", text))


def _same_percentage(reference: str, answer: str) -> bool:
    """Return whether both are the same number, one with a percent sign: 50% and 0.5."""
    if bool(_PERCENT.search(reference)) == bool(_PERCENT.search(answer)):
        return False
    ours, theirs = number(_normal_form(reference)), number(_normal_form(answer))
    if ours is None or theirs is None:
        return False
    hundredth, whole = (ours, theirs) if _PERCENT.search(reference) else (theirs, ours)
    return hundredth == 100 * whole


def _same_decimal(reference: str, answer: str) -> bool:
    """Return whether both are the same decimal, one with a decimal comma."""
    ours, theirs = _normal_form(reference), _normal_form(answer)
    commas = ours.count(",") + theirs.count(",")
    return (
        commas == 1 and ours.replace(",", ".") == theirs.replace(",", ".") and "." in ours + theirs
    )


def quickly_equal(reference: str, answer: str) -> bool | None:
    """Compare two answers by normal form and exact algebra; None if undecided."""
    ours, theirs = _normal_form(reference), _normal_form(answer)
    if ours == theirs or (
        ("_" in ours) != ("_" in theirs) and (without_base(ours) == without_base(theirs))
    ):
        return True
    if re.fullmatch(r"\s*\$?\\(?:text|mbox|textbf|mathrm)\s*\{[A-Za-z .()]*\}\$?\s*", reference):
        words, others = (form.casefold().replace(" ", "") for form in (ours, theirs))
        return words == others.strip("()")
    if re.fullmatch("[A-E]", ours) and theirs in (ours.lower(), f"({ours})"):  # a choice
        return True
    return equal_forms(ours, theirs)


def _verdict_of(answer: str, outcome: CallResult) -> Verdict:
    if outcome.status is Status.DONE:
        return _symbolic_verdict(answer, outcome.value)
    exceeded = outcome.status in (Status.TIMEOUT, Status.MEMORY)
    reason = Reason.TIMEOUT if exceeded else Reason.ERROR
    return Verdict(0.0, reason, answer, outcome.detail)


def _symbolic_verdict(answer: str, value: str) -> Verdict:
    if value == "equal":
        return Verdict(1.0, Reason.CORRECT, answer)
    detail = {
        "different": "",
        "no reference": "the reference cannot be parsed as mathematics; compared as text",
        "no answer": "the answer cannot be parsed as mathematics",
    }[value]
    return Verdict(0.0, Reason.WRONG, answer, detail)
