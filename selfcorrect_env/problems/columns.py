"""Columns: how a row of a file or of a data set becomes a `Problem`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Rational, Real
from typing import Any, TypeAlias

import numpy as np

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.types import ACCEPTED, Problem

Column: TypeAlias = "str | Callable[[Row], Any]"
"""A column's name, or a function that computes the value from the row."""


@dataclass(frozen=True)
class Columns:
    """The columns that hold a problem's statement, reference and id; the rest are metadata."""

    prompt: Column = "prompt"
    """The statement: text, a number, or a list with one user message."""
    reference: Column = "reference"
    """The reference answer: text, a number, or a list of them, any of which is right."""
    id: Column | None = None
    """The id. By default the column ``"id"``, and the row's number where a row has none."""

    def problem(self, number: int, where: str, row: Row) -> Problem:
        """Return the problem of a row.

        Args:
            number: the row's number, from 0: the id if the row has none.
            where: the row's file and line, for messages.
            row: the values by column.

        Raises:
            ProblemSetError: a column is missing, or its value is of a wrong type.
        """
        if not isinstance(row, Mapping):
            raise ProblemSetError(
                f"{where}: expected an object with columns, got {type(row).__name__}."
            )
        id = row.get("id") if self.id is None else _value(where, row, "id", self.id)
        id = None if _is_nan(id) else id
        prompt = _value(where, row, "prompt", self.prompt)
        reference = _value(where, row, "reference", self.reference)
        answers = _answers(where, "reference", reference)
        named = {c for c in (self.prompt, self.reference, self.id or "id") if isinstance(c, str)}
        further = None if ACCEPTED in named else row.get(ACCEPTED)
        if further is not None and not _is_nan(further) and (not _is_list(further) or len(further)):
            answers = list(dict.fromkeys([*answers, *_answers(where, ACCEPTED, further)]))
        return Problem(
            id=str(number) if id is None else _text(where, "id", id),
            prompt=_text(where, "prompt", _statement(where, prompt)),
            reference=answers[0],
            metadata={
                **{
                    key: _plain(value)
                    for key, value in row.items()
                    if key not in named and key != ACCEPTED and not _is_nan(value)
                },
                **({ACCEPTED: answers[1:]} if len(answers) > 1 else {}),
            },
        )


def _is_nan(value: Any) -> bool:
    """Whether a value is NaN, with which pandas fills the cells that a table lacks."""
    return isinstance(value, float) and math.isnan(value)


def _value(where: str, row: Row, key: str, column: Column) -> Any:
    if callable(column):
        try:
            return column(row)
        except Exception as error:
            raise ProblemSetError(
                f"{where}: the function for {key!r} raised {type(error).__name__}: {error}"
            ) from error
    if column in row:
        return row[column]
    close = difflib.get_close_matches(str(column), map(str, row), n=1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    raise ProblemSetError(
        f"{where}: no column {column!r} for the problem's {key}; it has "
        f"{', '.join(map(repr, row)) or 'none'}.{guess} Name the column with {key}_column=… "
        f"(--{key}-column on the command line)."
    )


def _statement(where: str, value: Any) -> Any:
    """Return the text of a list with one user message; any other value as it is."""
    if not _is_list(value) or not all(isinstance(message, Mapping) for message in value):
        return value
    roles = [message.get("role") for message in value]
    if roles == ["user"]:
        return value[0].get("content")
    raise ProblemSetError(
        f"{where}: the problem's prompt is a list of messages with the roles {roles}. Only one "
        "user message is a problem's statement: the environment writes the other messages itself. "
        "Give a system message with prompts=Prompts(system=…), and choose the statement with "
        "prompt_column=lambda row: …"
    )


def _plain(value: Any) -> Any:
    """Return an array of numpy, such as a cell of a pandas table, as the list that it holds."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def _answers(where: str, key: str, value: Any) -> list[str]:
    """Return the right answers of a row, each once: the elements of a list, or the value alone."""
    values = list(value) if _is_list(value) else [value]
    if not values:
        raise ProblemSetError(
            f"{where}: the problem's {key} is an empty list; it needs at least one answer."
        )
    return list(dict.fromkeys(_text(where, key, answer) for answer in values))


def _is_list(value: Any) -> bool:
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return is_sequence or isinstance(value, np.ndarray)


def _text(where: str, key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        if _is_finite_number(value):
            text = str(value)  # of a float, 5e-05 for 0.00005
            is_decimal = isinstance(value, Decimal) or (isinstance(value, float) and "e" in text)
            return f"{Decimal(text):f}" if is_decimal else text
        shown = f"{value!r:.60}"
    except ValueError:  # of Python, which writes no integer of more than 4,300 digits
        shown = "of too many digits; write it as text"
    raise ProblemSetError(
        f"{where}: the problem's {key} must be text or a finite number, "
        f"got {type(value).__name__} ({shown})."
    )


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, Decimal):
        return value.is_finite()
    # an integer may be too large for a float
    return isinstance(value, Rational) or (isinstance(value, Real) and math.isfinite(value))
