"""A data set that the user has on disk: which file holds the split that was asked for."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from selfcorrect_env.errors import ProblemSetError, ProblemSetWarning
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import SUFFIXES


def given_file(path: str | os.PathLike[str] | None, variable: str, split: str) -> Path | None:
    """Return the file that the user named, or None if none was named.

    Args:
        path: a file, or a folder with a file for each split; None to look at ``variable``.
        variable: the environment variable that may name it instead. Empty counts as unset.
        split: which file of a folder.

    Raises:
        ProblemSetError: what was named does not exist, or is a folder without a file (or with
            several) whose name says ``split``.
    """
    origin = "path"
    if path is None:
        path, origin = os.environ.get(variable) or None, f"the environment variable {variable}"
    if path is None:
        return None
    place = Path(path).expanduser()
    if place.is_dir():
        return _file_of_split(place, split)
    if not place.exists():
        raise ProblemSetError(f"There is no file or folder {str(place)!r}, named by {origin}.")
    return place


def check_count(problems: ProblemSet, published: int, where: str) -> None:
    """Warn (`ProblemSetWarning`) if a set has not as many problems as its authors published."""
    if len(problems) != published:
        warnings.warn(
            f"{problems.name}, split {problems.split!r}, was published with {published:,} "
            f"problems, but {where} gave {len(problems):,}. Scores on it are not scores on "
            f"{problems.name}.",
            ProblemSetWarning,
            stacklevel=3,
        )


def _file_of_split(folder: Path, split: str) -> Path:
    files = sorted(file for file in folder.iterdir() if file.name.lower().endswith(SUFFIXES))
    word = re.compile(rf"(?<![a-z]){re.escape(split)}(?![a-z])")
    named = [file for file in files if word.search(file.name.lower())]
    exact = [file for file in named if file.name.split(".")[0].lower() == split]
    chosen = exact if len(exact) == 1 else named
    if len(chosen) == 1:
        return chosen[0]
    wrong = "several files whose names say" if chosen else "no file whose name says"
    raise ProblemSetError(
        f"The folder {str(folder)!r} has {wrong} {split!r}. Expected one such as {split}.jsonl "
        f"({', '.join(SUFFIXES)}). It holds {', '.join(f.name for f in files) or 'none of these'}. "
        "Name a file instead of the folder."
    )
