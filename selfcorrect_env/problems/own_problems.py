"""Problems that a user brings: a file, a folder, rows in memory, or a `ProblemSet`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.problem_set import ALL, ProblemSet
from selfcorrect_env.problems.row_files import FORMATS, SUFFIXES, Row, is_saved_dataset
from selfcorrect_env.problems.row_objects import has_rows_by_split
from selfcorrect_env.problems.sources import is_source_name, load_problems

Problems: TypeAlias = "str | Path | ProblemSet | Iterable[Row] | Mapping[str, Iterable[Row]]"
"""The name of a problem set, the path of a file or folder, a set, rows, or rows by split."""

COLUMN_OPTIONS = ("prompt_column", "reference_column", "id_column")
"""Options of files, folders and rows: see `ProblemSet.from_records`."""


def resolve_problems(problems: Problems, *, split: str | None = None, **options: Any) -> ProblemSet:
    """Return the problem set that an environment's arguments describe.

    Args:
        problems: see `Problems`.
        split: the split to use; by default ``"test"``, or the only one. Named sets, folders, rows
            by split, and ``holdout=`` have several splits.
        options: for a named set, the arguments of the function that loads it. For a user's own
            problems, `COLUMN_OPTIONS` and ``holdout``, the share of the problems, in (0, 1), that
            `ProblemSet.train_test_split` puts in the split ``"test"``.

    Raises:
        TypeError: an option is unknown or of a wrong type.
        UnknownProblemSetError: there is no problem set or split of that name.
        ProblemSetError: the problems cannot be loaded, or have no splits although one was asked
            for.
    """
    if isinstance(problems, str) and not _is_path(problems):
        return load_problems(problems, split=split or "test", **options)
    known = ("holdout",) if isinstance(problems, ProblemSet) else (*COLUMN_OPTIONS, "holdout")
    for option in options:
        if option not in known:
            raise TypeError(
                f"Unknown option {option!r}: problems of your own "
                f"({type(problems).__name__}) have {', '.join(known)}."
            )
    holdout = options.pop("holdout", None)
    given = {name: column for name, column in options.items() if column is not None}
    if _has_several_splits(problems):
        if holdout is not None:
            raise ProblemSetError(
                "holdout=… divides problems without splits, but these have splits: leave it out."
            )
        return ProblemSet.from_dataset(_not_a_name(problems), split=split or "test", **given)
    only = _only_split(problems, given)
    if holdout is not None:
        train, test = only.train_test_split(holdout)
        if split not in (None, "train", "test"):
            raise ProblemSetError(
                f"With holdout=… the splits are 'train' and 'test', not {split!r}."
            )
        return train if split == "train" else test
    if split not in (None, only.split):
        raise ProblemSetError(
            f"{only.name!r} has no split {split!r}: it is one set ({only.split!r}). Leave split "
            "out; or divide the set with holdout=0.1 (--holdout 0.1), which makes the "
            "splits train and test; or give a folder with train.jsonl and test.jsonl."
        )
    return only


def has_splits(problems: Problems | None, holdout: float | None = None) -> bool:
    """Return whether `resolve_problems` can be asked for ``split="train"`` of ``problems``.

    Args:
        problems: as in `resolve_problems`; None means the environment's own named set.
        holdout: the share of the test split, if there is one.
    """
    named = problems is None or (isinstance(problems, str) and not _is_path(problems))
    return named or holdout is not None or _has_several_splits(problems)


def _is_path(name: str) -> bool:
    """Return whether a str is the path of a file or folder; the names of sets come first."""
    if is_source_name(name):
        return False
    looks_like_path = name.lower().endswith(SUFFIXES) or name.startswith((".", "/", "~"))
    return looks_like_path or any(c in name for c in (os.sep, "/", ".")) or os.path.exists(name)


def _has_several_splits(problems: Any) -> bool:
    if isinstance(problems, str | Path):
        path = Path(problems).expanduser()
        return path.is_dir() and not is_saved_dataset(path)
    return has_rows_by_split(problems)


def _only_split(problems: Any, columns: Mapping[str, Any]) -> ProblemSet:
    if isinstance(problems, ProblemSet):
        return problems
    if isinstance(problems, str | Path):
        path = _existing(problems)
        return ProblemSet.from_file(path, split=ALL, **columns)
    return ProblemSet.from_records(problems, **columns)


def _existing(path: str | Path) -> Path:
    found = Path(path).expanduser()
    if found.exists():
        return found
    hint = ""
    if str(path).count("/") == 1 and not str(path).lower().endswith(SUFFIXES):
        hint = (
            " For a data set of the Hugging Face hub, use "
            f"ProblemSet.from_dataset({str(path)!r}, prompt_column=…, reference_column=…)."
        )
    raise ProblemSetError(
        f"There is no file or folder {str(path)!r}. Expected a file ({FORMATS}), a folder with a "
        f"file for each split, or a name of 'selfcorrect list'.{hint}"
    )


def _not_a_name(problems: Any) -> Any:
    """Return a path as a `Path`, so that it is not read as the id of a data set on the hub."""
    return Path(problems) if isinstance(problems, str) else problems
