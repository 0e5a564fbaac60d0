"""APPS: 10,000 contest and interview problems (Hendrycks et al., arXiv 2105.09938; MIT licence).

The columns of a row: ``problem_id`` (or ``id``); ``question``; ``solutions``, JSON text with a list
of programs; ``input_output``, JSON text with ``inputs`` and ``outputs``, and ``fn_name`` if a
function is called; ``difficulty``; ``url``; ``starter_code``. Problems without a test are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError
from selfcorrect_env.problems.code_rows import text_of
from selfcorrect_env.problems.files import given_file
from selfcorrect_env.problems.hub import hub_file
from selfcorrect_env.problems.located import unavailable
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row, read_rows
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.problems.stdio_rows import (
    function_problem,
    parsed_json,
    stdio_problem,
    text_of_value,
)
from selfcorrect_env.types import Problem

REPO = "codeparrot/apps"
"""Repository id on the hub, which has the files train.jsonl and test.jsonl."""

VARIABLE = "SELFCORRECT_APPS_PATH"
"""The environment variable for the path of its file or folder."""

DIFFICULTIES = ("introductory", "interview", "competition")
"""The difficulties of APPS."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    difficulty: str | None = None,
    solved: bool = False,
    revision: str | None = None,
) -> ProblemSet:
    """Load APPS.

    Args:
        split: ``"train"`` or ``"test"``; each was published with 5,000 problems, of which those
            without a test are left out.
        path: a file with the columns of the module docstring, or a folder with a file for each
            split. Default: ``SELFCORRECT_APPS_PATH``, then the hub (the test split is a file of
            1.3 GB).
        difficulty: one of `DIFFICULTIES`; by default all.
        solved: leave out problems without a solution, whose tests can't be validated.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    A problem is judged by what a program prints for each input (verifier ``stdio``), or, if it has
    an ``fn_name``, by calls of that function. The reference is the first solution.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available, a row is invalid, or no problem is left.
    """
    check_split("apps", split)
    if difficulty is not None and difficulty not in DIFFICULTIES:
        raise ProblemSetError(
            f"APPS has no difficulty {difficulty!r}. It has {', '.join(DIFFICULTIES)}."
        )
    file = given_file(path, VARIABLE, split)
    if file is None:
        try:
            file = hub_file(REPO, f"{split}.jsonl", revision)
        except HubUnavailableError as error:
            raise unavailable("APPS", REPO, VARIABLE, error) from error
    rows = (pair for pair in read_rows(file) if difficulty in (None, pair[1].get("difficulty")))
    found = [problem for pair in rows for problem in _problems(*pair)]
    found = [problem for problem in found if problem.reference or not solved]
    if not found:
        raise ProblemSetError(f"{file} contains no problem of APPS with a test that fits.")
    return ProblemSet(found, name="APPS", split=split)


def _problems(where: str, row: Row) -> Iterable[Problem]:
    """Yield the problem of a row; nothing if it has no test."""
    tests = row.get("input_output")
    if not tests:
        return
    tests = parsed_json(where, "input_output", tests)
    if not isinstance(tests, dict) or not tests.get("inputs"):
        return
    inputs, outputs = tests["inputs"], tests.get("outputs") or []
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise ProblemSetError(
            f"{where}: expected lists of as many 'inputs' as 'outputs' in 'input_output'."
        )
    id = row.get("problem_id", row.get("id"))
    if id is None:
        raise ProblemSetError(f"{where}: it has neither a column 'problem_id' nor 'id'.")
    shared = {
        "id": str(id),
        "prompt": text_of(where, row, "question"),
        "reference": _first_solution(where, row),
        "metadata": {key: row.get(key) for key in ("difficulty", "url", "starter_code")},
    }
    name = tests.get("fn_name")
    if name:
        calls = [_call(*pair) for pair in zip(inputs, outputs, strict=True)]
        starter = row.get("starter_code") or ""
        yield function_problem(**shared, function=str(name), starter=starter, calls=calls)
    else:
        yield stdio_problem(
            **shared,
            inputs=[text_of_value(value) for value in inputs],
            outputs=[text_of_value(value) for value in outputs],
        )


def _call(arguments: Any, result: Any) -> tuple[list[Any], list[Any]]:
    """Return the arguments of a call and its right results.

    Most rows hold a result in a list of one element, some as it is, so both are right, as in the
    authors' own comparison.
    """
    given = arguments if isinstance(arguments, list) else [arguments]
    wrapped = isinstance(result, list) and len(result) == 1
    return given, [result[0], result] if wrapped else [result]


def _first_solution(where: str, row: Row) -> str:
    solutions = row.get("solutions")
    if isinstance(solutions, str) and solutions.strip():
        solutions = parsed_json(where, "solutions", solutions)
    first = solutions[0] if isinstance(solutions, list) and solutions else ""
    return first if isinstance(first, str) else ""
