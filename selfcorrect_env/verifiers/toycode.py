"""The toy language of `SelfCorrect-ToyCode-v0`, and the verifier that runs its programs.

A program is a list of operations on one digit: ``*7-4`` multiplies by 7, then subtracts 4. Only
the last digit of every result is kept. A statement such as ``*7-4?3>8=`` shows a program whose last
operation is missing, ``?``, and a test: for the input 3 the output must be 8. ``;`` separates
several tests, as in ``*7?3>8;5>2=``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import failed, without_statement

_PROGRAM = re.compile("(?:[-+*][0-9])*")
_OPERATION = re.compile("[-+*][0-9]")
_STATEMENT = re.compile(r"((?:[-+*][0-9])*)\?([0-9]>[0-9](?:;[0-9]>[0-9])*)=")


@dataclass(frozen=True, slots=True)
class Statement:
    """The parsed statement of a problem."""

    program: str
    """The given operations, such as ``"*7-4"``; may be empty."""
    tests: tuple[tuple[int, int], ...]
    """(input, expected output) of each test, as digits; at least one test."""

    def passes(self, operation: str) -> bool:
        """Return whether the program, completed by ``operation``, passes every test."""
        completed = self.program + operation
        return all(int(run(completed, given)[-1]) == expected for given, expected in self.tests)


def read_statement(text: str) -> Statement:
    """Parse a statement such as ``"*7-4?3>8="``.

    Raises:
        ValueError: ``text`` is not a statement.
    """
    found = _STATEMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"Expected a statement such as '*7-4?3>8=', got {text!r:.60}.")
    tests = found[2].split(";")
    return Statement(found[1], tuple((int(test[0]), int(test[2])) for test in tests))


def run(program: str, digit: int) -> str:
    """Run a program on a digit; return the last digit of each result, in order.

    >>> run("*7-4+1", 3)
    '178'

    Raises:
        ValueError: ``program`` is not a list of operations, or ``digit`` not in 0-9.
    """
    if not _PROGRAM.fullmatch(program) or not 0 <= digit <= 9:
        raise ValueError(
            f"Expected a program such as '*7-4' and a digit, got {program!r}, {digit}."
        )
    results = []
    for sign, number in zip(program[::2], map(int, program[1::2]), strict=True):
        if sign == "*":
            digit *= number
        else:
            digit += number if sign == "+" else -number
        digit %= 10
        results.append(str(digit))
    return "".join(results)


def read_operation(reply: str) -> str | None:
    """Return the first operation outside of statements; a difference as the sum that it equals.

    >>> read_operation("*7-4?3>8= -9"), read_operation("*2"), read_operation("none")
    ('+1', '*2', None)
    """
    found = _OPERATION.search(_STATEMENT.sub("\n", reply))
    if found is None:
        return None
    sign, digit = found.group()
    return f"+{-int(digit) % 10}" if sign == "-" else f"{sign}{digit}"


def other_sum(answer: str | None, rng: np.random.Generator) -> str:
    """Return an addition that is not ``answer``, drawn evenly.

    If the first one was right, another sum is wrong; if it was wrong, it is right in 1 of 9. A
    product is an answer of its own, although it may do what a sum does.
    """
    return str(rng.choice([f"+{digit}" for digit in range(10) if f"+{digit}" != answer]))


class ToyCodeVerifier:
    """Completes the program with the reply's first operation and runs it: all tests must pass.

    The reply's operation is its first operator that is directly followed by a digit; the rest,
    such as the log of a run, is ignored. Any operation that passes is right, not only the
    reference, and hedging does not pay. If the reply repeats the statement, the repetition is
    skipped. A reply without an operation gets `Reason.NO_ANSWER`; a problem whose statement is
    not in the toy language gets `Reason.ERROR`.
    """

    name = "toycode"
    answer_format = AnswerFormat(read=read_operation, other=other_sum, expressions=False)

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        try:
            statement = read_statement(problem.prompt)
        except ValueError as error:
            return failed(f"problem {problem.id!r} is not in the toy language: {error}")
        found = _OPERATION.search(without_statement(problem, response))
        if found is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        operation = found.group()
        if statement.passes(operation):
            return Verdict(1.0, Reason.CORRECT, operation)
        return Verdict(0.0, Reason.WRONG, operation)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses in order."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
