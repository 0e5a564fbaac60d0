"""Rows in memory: lists of dicts, pandas and polars tables, ``datasets.Dataset`` and its splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, cast

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.row_files import Row


def has_rows_by_split(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether ``data`` maps splits to rows, as a ``datasets.DatasetDict`` does."""
    return isinstance(data, Mapping) and all(
        isinstance(rows, Iterable) and not isinstance(rows, str | bytes) for rows in data.values()
    )


def rows_of_split(data: Mapping[str, Any], split: str) -> Any:
    """Return the rows of ``split``; `UnknownProblemSetError` if there is no such split."""
    if split not in data:
        hint = "A dict maps splits to rows; give columns as a list of dicts or as a DataFrame."
        raise UnknownProblemSetError.of("split", split, map(str, data), hint)
    return data[split]


def rows_of(data: Any) -> Iterable[Row]:
    """Return the rows of ``data``.

    Args:
        data: an iterable of mappings (a list of dicts, a ``datasets.Dataset``), a pandas or
            polars ``DataFrame``, or a pyarrow ``Table``.

    Raises:
        ProblemSetError: it is something else.
    """
    # by method, not by type: none of these packages is imported here
    for method in ("to_dicts", "to_pylist"):  # polars, pyarrow
        if hasattr(data, method):
            return cast("Iterable[Row]", getattr(data, method)())
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas; polars has both, and others
        return cast("Iterable[Row]", data.to_dict("records"))
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise ProblemSetError(
            "Expected rows: a list of dicts, a DataFrame, a datasets.Dataset, or a DatasetDict; "
            f"got {type(data).__name__} ({data!r:.60})."
        )
    return cast("Iterable[Row]", data)
