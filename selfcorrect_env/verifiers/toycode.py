"""The toy language of `SelfCorrect-ToyCode-v0`, and the verifier that runs its programs.

A program is a list of operations on one digit: ``*7-4`` multiplies by 7, then subtracts 4. Of
every result the last digit is kept. A statement such as ``*7-4?3>8=`` shows a program whose last
operation is missing, ``?``, and a test: from 3 it is to come to 8. Several tests are joined by
``;``, as in ``*7?3>8;5>2=``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.base import failed, without_statement

_PROGRAM = re.compile("(?:[-+*][0-9])*")
_OPERATION = re.compile("[-+*][0-9]")
_STATEMENT = re.compile(r"((?:[-+*][0-9])*)\?([0-9]>[0-9](?:;[0-9]>[0-9])*)=")


@dataclass(frozen=True, slots=True)
class Statement:
    """What the statement of a problem says."""

    program: str
    """The operations that are there, such as ``"*7-4"``; may be empty."""
    tests: tuple[tuple[int, int], ...]
    """(input, wanted output) of each test, digits; at least one."""

    def passes(self, operation: str) -> bool:
        """Whether the program, finished by ``operation``, passes every test."""
        finished = self.program + operation
        return all(int(run(finished, given)[-1]) == wanted for given, wanted in self.tests)


def read_statement(text: str) -> Statement:
    """Read a statement such as ``"*7-4?3>8="``.

    Raises:
        ValueError: it is none.
    """
    found = _STATEMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"Expected a statement such as '*7-4?3>8=', got {text!r:.60}.")
    tests = found[2].split(";")
    return Statement(found[1], tuple((int(test[0]), int(test[2])) for test in tests))


def run(program: str, digit: int) -> str:
    """Run a program on a digit; returns the last digit of each result, in order.

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


class ToyCodeVerifier:
    """Runs the program with the reply's first operation on every test: all must pass.

    The first operator with a digit right after it is what the reply adds to the program; what
    follows, such as a log of a run, is not read. So any operation that passes is right, not only
    the reference, and hedging earns nothing. The statement, repeated in the reply, is passed
    over. A reply without an operation gets `Reason.NO_ANSWER`; a problem whose statement is not
    one of the toy language cannot be judged.
    """

    name = "toycode"

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response."""
        try:
            statement = read_statement(problem.prompt)
        except ValueError as error:
            return failed(f"problem {problem.id!r} is not of the toy language: {error}")
        found = _OPERATION.search(without_statement(problem, response))
        if found is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        operation = found.group()
        if statement.passes(operation):
            return Verdict(1.0, Reason.CORRECT, operation)
        return Verdict(0.0, Reason.WRONG, operation)

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many, one after the other."""
        return [self.verify(*pair) for pair in zip(problems, responses, strict=True)]
