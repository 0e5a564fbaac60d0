"""What the sets of code problems share: how a `Problem` holds a program and its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.rows import Row
from selfcorrect_env.types import Problem


def code_problem(
    *,
    id: str,
    prompt: str,
    reference: str,
    tests: Sequence[str],
    setup: str = "",
    entry_point: str | None = None,
    stub: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a code problem, as the verifier ``code`` reads it.

    Args:
        id: unique in its set.
        prompt: the statement.
        reference: a whole program that passes the tests.
        tests: pieces of Python, run in order, each of which raises if the program is wrong.
        setup: trusted Python that is run before the tests, on the checker's side.
        entry_point: the function that the tests call; None where they may use any name that
            the program defines.
        stub: what a reply continues that does not define ``entry_point`` itself.
        facts: further metadata.

    Raises:
        ProblemSetError: there is no test.
    """
    if not tests:
        raise ProblemSetError(f"Code problem {id!r} has no test, so nothing could be wrong.")
    metadata = {
        **(facts or {}),
        "tests": list(tests),
        "setup": setup,
        "entry_point": entry_point,
        "stub": stub,
    }
    return Problem(id=id, prompt=prompt, reference=reference, metadata=metadata)


def text_of(where: str, row: Row, column: str) -> str:
    """Return the text in a column of a row; `ProblemSetError` if there is none."""
    value = row.get(column)
    if isinstance(value, str):
        return value
    raise ProblemSetError(
        f"{where}: expected text in the column {column!r}, got {type(value).__name__} "
        f"({value!r:.60}). It has {', '.join(map(repr, row)) or 'no column'}."
    )


def texts_of(where: str, row: Row, column: str) -> list[str]:
    """Return the list of texts in a column of a row; `ProblemSetError` if there is none."""
    value = row.get(column)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise ProblemSetError(
        f"{where}: expected a list of texts in the column {column!r}, got {value!r:.60}."
    )
