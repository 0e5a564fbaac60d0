r"""MATH (Hendrycks et al., arXiv 2103.03874) in the paper's split.

12,000 problems for training, MATH-500 for testing. A row has the columns below. If ``answer`` is
missing, the reference is the last ``\boxed{…}`` of the solution; ``type`` may replace ``subject``:

    {"problem": "What is $1 + 1$?", "solution": "It is $\\boxed{2}$.", "answer": "2",
     "subject": "Prealgebra", "level": 1, "unique_id": "test/prealgebra/1.json"}

This package contains no problem of MATH. `load_hendrycks` returns the real data or raises an error;
`load` falls back to the built-in set, with a warning.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selfcorrect_env.errors import (
    HubUnavailableError,
    MathUnavailableError,
    ProblemSetError,
    ProblemSetWarning,
)
from selfcorrect_env.notices import warn
from selfcorrect_env.problems import math_tree
from selfcorrect_env.problems.columns import Columns
from selfcorrect_env.problems.files import check_count, given_file
from selfcorrect_env.problems.generated import math as procedural
from selfcorrect_env.problems.hub import hub_rows
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.problems.splits import check_split
from selfcorrect_env.problems.subjects import SUBJECTS, check_levels, check_subjects, select
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers.math.boxed import last_boxed

_WHOLE = "nlile/hendrycks-MATH-benchmark"
REPOS = {"train": (_WHOLE,), "test": ("HuggingFaceH4/MATH-500", _WHOLE)}
"""Repository ids on the hub, by split, in order of preference."""

VARIABLE = "SELFCORRECT_MATH_PATH"
"""The environment variable for the path of its file or folder."""

PUBLISHED = {"train": 12_000, "test": 500}
"""Number of problems in each split."""

WAYS = (
    "Three ways to get MATH: (1) with a network, pip install 'selfcorrect-env[data]', which "
    f"loads it from the Hugging Face hub ({_WHOLE}, {REPOS['test'][0]}); (2) path=FILE, with "
    "the columns problem, solution, answer, subject, level, unique_id; (3) the environment "
    f"variable {VARIABLE}=FILE. FILE may be a folder with train.jsonl and test.jsonl, or MATH's "
    "original folder."
)


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load MATH if it is available, else the built-in set with one `ProblemSetWarning`.

    The arguments are those of `load_hendrycks`. Data that the user named, with ``path`` or the
    environment variable, are never replaced: if they cannot be read, an error is raised. Without
    them, the hub's cache is used, then the hub, which has `selfcorrect_env.problems.hub.DEADLINE`
    seconds to respond.

    Raises:
        UnknownNameError: no such split or subject.
        ProblemSetError: the named file is missing or invalid.
    """
    subject, level = check_subjects(subject), check_levels(level)
    try:
        return load_hendrycks(split, path=path, subject=subject, level=level, revision=revision)
    except MathUnavailableError as error:
        _warn_of_substitute(error)
    return procedural.load(split, subject=subject, level=level)


_explained: set[str] = set()  # reasons that a warning has explained in this process


def _warn_of_substitute(error: MathUnavailableError) -> None:
    """Warn that the built-in set is used: in full the first time, then in one sentence."""
    text = (
        "MATH is not available, so the built-in MATH-style problems are used: scores on them are "
        "not MATH scores."
    )
    if error.reason not in _explained:
        text += (
            f" Reason: {error.reason}. {WAYS} To choose the built-in set without this warning, use "
            "problems='procedural'; to get an error instead, use problems='hendrycks'."
        )
        _explained.add(error.reason)
    warn(text, ProblemSetWarning)


def load_hendrycks(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load the real MATH, or raise an error that lists the three ways to get it.

    Args:
        split: ``"train"`` (12,000 problems) or ``"test"`` (MATH-500).
        path: a ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file, or a folder with such
            a file for each split. Default: the environment variable
            ``SELFCORRECT_MATH_PATH``, then the hub's cache, then the hub. The authors' own folder
            (`selfcorrect_env.problems.math_tree`) has their splits, 7,500 and 5,000 problems, and
            the set is called MATH-original.
        subject: one or more of MATH's seven subjects; by default all.
        level: one or more levels, 1 to 5; by default all.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    The metadata contain ``subject``, ``level`` (an int, or None if MATH has none), ``solution``
    and the other columns of the row. If the size of the split differs from the published one, a
    `ProblemSetWarning` is issued.

    Raises:
        UnknownNameError: no such split or subject.
        MathUnavailableError: (a ProblemSetError) it is neither given, nor cached, nor reachable.
        ProblemSetError: a row is invalid, or no problem has these subjects and levels.
    """
    check_split("math", split)
    subject, level = check_subjects(subject), check_levels(level)
    tree = _given_tree(path, split)
    file = given_file(path, VARIABLE, split) if tree is None else None
    if tree is not None:
        return select(_from_tree(tree, split), subject, level)
    if file is not None:
        where = str(file)
        problems = ProblemSet.from_file(
            file,
            name="MATH",
            split=split,
            prompt_column="problem",
            reference_column=reference_of,
            id_column=_id,
        )
    else:
        where = f"{' or '.join(REPOS[split])} on the Hugging Face hub"
        try:
            rows = hub_rows(REPOS[split], split, revision=revision)
        except HubUnavailableError as error:
            raise MathUnavailableError(str(error), WAYS) from error
        problems = ProblemSet.from_dataset(
            rows,
            name="MATH",
            split=split,
            prompt_column="problem",
            reference_column=reference_of,
            id_column=_id,
        )
    check_count(problems, PUBLISHED[split], where)
    problems = ProblemSet(map(_with_clean_metadata, problems), name="MATH", split=split)
    return select(problems, subject, level)


def load_math500(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load MATH-500 (Lightman et al., arXiv 2305.20050): `load_hendrycks`' test split.

    Raises:
        UnknownNameError: the split is not ``"test"``, or there is no such subject.
        ProblemSetError: see `load_hendrycks`.
    """
    check_split("math500", split, ("test",))
    tree = _given_tree(path, split)
    if tree is not None:
        raise ProblemSetError(
            f"{tree} is MATH's original test split of {math_tree.PUBLISHED['test']:,} problems, of "
            "which MATH-500 is a selection. Name a file of MATH-500, or use problems='hendrycks'."
        )
    return load_hendrycks(split, path=path, subject=subject, level=level, revision=revision)


def _given_tree(path: str | os.PathLike[str] | None, split: str) -> Path | None:
    named = path if path is not None else os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    return math_tree.tree_of_split(folder, split) if folder.is_dir() else None


def _from_tree(tree: Path, split: str) -> ProblemSet:
    columns = Columns("problem", reference_of, _id)
    rows = enumerate(math_tree.read_tree(tree))
    problems = ProblemSet(
        (_with_clean_metadata(columns.problem(i, *located)) for i, located in rows),
        name="MATH-original",
        split=split,
    )
    check_count(problems, math_tree.PUBLISHED[split], str(tree))
    return problems


def reference_of(row: Row) -> str:
    r"""Return the reference of a row: its ``answer``, else the last box of its ``solution``.

    Raises:
        ValueError: the row has neither.
    """
    answer = row.get("answer")
    if answer is not None:
        return str(answer)
    solution = row.get("solution")
    boxed = last_boxed(solution) if isinstance(solution, str) else None
    if not boxed:
        raise ValueError(r"the row has neither a column 'answer' nor a \boxed{…} in 'solution'")
    return boxed


def _id(row: Row) -> Any:
    return row.get("unique_id", row.get("id"))


def _with_clean_metadata(problem: Problem) -> Problem:
    """Return a problem with the subject in MATH's spelling and the level as an int."""
    metadata = dict(problem.metadata)
    subject = metadata.pop("type", None) or metadata.get("subject")
    found = re.fullmatch(r"(?:Level )?([1-5])", str(metadata.get("level")))
    metadata["level"] = int(found[1]) if found else None
    known = {name.lower(): name for name in SUBJECTS}
    metadata["subject"] = known.get(str(subject).lower(), subject)
    return Problem(
        id=problem.id, prompt=problem.prompt, reference=problem.reference, metadata=metadata
    )
