"""Code shared by sets of contest problems: programs judged by their output, and functions by calls.

A problem of the first kind has the metadata ``inputs`` and ``outputs``, which the verifier
``stdio`` requires; one of the second kind is a code problem (`selfcorrect_env.problems.code_rows`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.code_rows import code_problem
from selfcorrect_env.types import Problem

STDIN_INSTRUCTION = (
    "Write a program that reads its input from standard input and writes its answer to standard "
    "output."
)
"""Follows the statement of a problem that is judged by its output."""

PLAIN = '''
def _plain(value):
    """Return a value as JSON has it: tuples are lists."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
'''
"""Setup of the tests of functions: results are compared as plain data."""

IMPORTS = """\
import bisect, collections, functools, heapq, itertools, math, operator, random, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from operator import *
from builtins import *
from typing import *"""
"""What LeetCode imports before a program, of which starter code uses ``List`` and the like; the
names of Python itself are not replaced."""

LONGEST_INTEGER = 4300
"""Digits of an integer that Python reads and writes as text by default."""


def stdio_problem(
    *,
    id: str,
    prompt: str,
    reference: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a problem that is judged by what a program prints for each input.

    Args:
        id: unique in its set.
        prompt: the statement.
        reference: a program that solves it; "" if there is none.
        inputs: what the program reads, at least one text.
        outputs: what it should print for each of them.
        metadata: further metadata.

    Raises:
        ProblemSetError: there is no input, or another number of outputs.
    """
    if not inputs or len(inputs) != len(outputs):
        raise ProblemSetError(
            f"Problem {id!r} has {len(inputs)} inputs and {len(outputs)} outputs; it needs as many "
            "of both, and at least one, or no reply could be wrong."
        )
    return Problem(
        id=id,
        prompt=f"{prompt.strip()}\n\n{STDIN_INSTRUCTION}",
        reference=reference,
        metadata={**(metadata or {}), "inputs": list(inputs), "outputs": list(outputs)},
    )


def function_problem(
    *,
    id: str,
    prompt: str,
    reference: str,
    function: str,
    starter: str,
    calls: Sequence[tuple[Sequence[Any], Sequence[Any]]],
    metadata: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a problem that is judged by calls of a function.

    Args:
        id: unique in its set.
        prompt: the statement.
        reference: a program that solves it; "" if there is none.
        function: the function's name.
        starter: the code that the statement gives; if it has a ``class Solution``, the function
            is a method of it, as on LeetCode.
        calls: the arguments of each call, and the results that are right.
        metadata: further metadata.

    Raises:
        ProblemSetError: there is no call, or the function's name is no name.
    """
    if not function.isidentifier():
        raise ProblemSetError(f"Problem {id!r}: {function!r:.60} is no name of a function.")
    in_class = re.search(r"^\s*class\s+Solution\b", starter, re.MULTILINE) is not None
    called = f"Solution().{function}" if in_class else function
    tests = []
    for arguments, accepted in calls:
        given = ", ".join(_source(argument) for argument in arguments)
        right = " or ".join(f"_result == {_source(result)}" for result in accepted)
        tests.append(f"_result = _plain({called}({given}))\nassert {right}")
    task = f"Write the function {function!r}."
    if starter.strip():
        task = f"Start from this code:\n\n```python\n{starter.strip()}\n```"
    return code_problem(
        id=id,
        prompt=f"{prompt.strip()}\n\n{task}",
        reference=reference,
        tests=tests,
        names=["Solution" if in_class else function],
        setup=PLAIN,
        prelude=IMPORTS,
        metadata=metadata,
    )


def _source(value: Any) -> str:
    """Return Python source of a JSON-like value; integers of any length, tuples as lists."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_source(item)}' for key, item in value.items())}}}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 10_000:
        return hex(value)
    return repr(value)


def _integer(digits: str) -> int:
    """Read an integer of any length."""
    if len(digits) <= LONGEST_INTEGER:
        return int(digits)
    size, value = LONGEST_INTEGER - 1, 0
    for start in range(0, len(digits.lstrip("-")), size):
        part = digits.lstrip("-")[start : start + size]
        value = value * 10 ** len(part) + int(part)
    return -value if digits.startswith("-") else value


def _digits(value: int) -> str:
    """Write an integer of any length."""
    size, parts, left = LONGEST_INTEGER - 1, [], abs(value)
    while left >= 10**size:
        left, part = divmod(left, 10**size)
        parts.append(str(part).zfill(size))
    return ("-" if value < 0 else "") + "".join([str(left), *reversed(parts)])


def parsed_json(where: str, column: str, text: Any) -> Any:
    """Return the value of a column that holds JSON as text.

    Raises:
        ProblemSetError: it holds none.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except (TypeError, ValueError, RecursionError) as error:
        raise ProblemSetError(
            f"{where}: expected JSON as text in the column {column!r}: {error}."
        ) from error


def text_of_value(value: Any) -> str:
    """Return an input or output of a program, which some rows hold as a list of lines."""
    if isinstance(value, list | tuple):
        return "\n".join(map(text_of_value, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    return str(value)
