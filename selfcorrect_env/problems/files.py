"""A named data set that the user has on disk: the file of a split, and a check of its size."""

from __future__ import annotations

import os
from pathlib import Path

from selfcorrect_env.errors import ProblemSetError, ProblemSetWarning
from selfcorrect_env.notices import warn
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import is_saved_dataset
from selfcorrect_env.problems.split_folders import file_of_split


def given_file(path: str | os.PathLike[str] | None, variable: str, split: str) -> Path | None:
    """Return the file that the user named, or None if none was named.

    Args:
        path: a file, or a folder with a file for each split; None to look at ``variable``.
        variable: the environment variable that may name it instead; an empty one is ignored.
        split: the split, which selects a folder's file.

    Raises:
        ProblemSetError: the path does not exist, or is a folder without a file (or with several
            files) whose name says ``split``.
    """
    origin = "path"
    if path is None:
        path, origin = os.environ.get(variable) or None, f"the environment variable {variable}"
    if path is None:
        return None
    given = Path(path).expanduser()
    if given.is_dir() and not is_saved_dataset(given):
        return file_of_split(given, split)
    if not given.exists():
        raise ProblemSetError(f"There is no file or folder {str(given)!r}, named by {origin}.")
    return given


def check_count(problems: ProblemSet, published: int, where: str) -> None:
    """Warn (`ProblemSetWarning`) if a set's size is not the one that its authors published."""
    if len(problems) != published:
        warn(
            f"{problems.name}, split {problems.split!r}, was published with {published:,} "
            f"problems, but {where} gave {len(problems):,}. Scores on it are not scores on "
            f"{problems.name}.",
            ProblemSetWarning,
        )
