r"""MATH (Hendrycks et al., arXiv 2103.03874) in the paper's split.

12,000 problems to train on, MATH-500 to test on. A row has these columns; where ``answer`` is
missing, the last ``\boxed{…}`` of the solution is the reference, and ``type`` does for
``subject``:

    {"problem": "What is $1 + 1$?", "solution": "It is $\\boxed{2}$.", "answer": "2",
     "subject": "Prealgebra", "level": 1, "unique_id": "test/prealgebra/1.json"}

No problem of MATH is part of this package. `load_hendrycks` gets the real one or raises;
`load` gives the built-in set in its place, with a warning.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from typing import Any

from selfcorrect_env.errors import (
    HubUnavailableError,
    MathUnavailableError,
    ProblemSetWarning,
)
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
"""The ids on the hub, by split, in order of preference."""

VARIABLE = "SELFCORRECT_MATH_PATH"
"""The environment variable that may name a file or a folder of it."""

PUBLISHED = {"train": 12_000, "test": 500}
"""How many problems each split has."""

WAYS = (
    "Three ways to get MATH: (1) with a network, pip install 'selfcorrect-env[data]': it is then "
    f"loaded from the Hugging Face hub ({_WHOLE}, {REPOS['test'][0]}); (2) path=FILE, with "
    "the columns problem, solution, answer, subject, level, unique_id; (3) the environment "
    f"variable {VARIABLE}=FILE. FILE may be a folder with train.jsonl and test.jsonl."
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

    The arguments are those of `load_hendrycks`. What the user named, by ``path`` or by the
    environment variable, is never replaced: if it cannot be read, that is an error. Without it
    the hub's cache is looked at, then the hub has `selfcorrect_env.problems.hub.DEADLINE`
    seconds to answer.

    Raises:
        UnknownNameError: no such split or subject.
        ProblemSetError: the file that was named is missing or broken.
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
    warnings.warn(text, ProblemSetWarning, stacklevel=3)


def load_hendrycks(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load the real MATH, or raise an error that names the three ways to get it.

    Args:
        split: ``"train"`` (12,000 problems) or ``"test"`` (MATH-500).
        path: a ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file, or a folder with such
            a file for each split. Without it, the environment variable
            ``SELFCORRECT_MATH_PATH`` is used, then the hub's cache, then the hub.
        subject: keep these of MATH's seven subjects; by default all.
        level: keep these levels, 1 to 5; by default all.
        revision: a commit or tag of the hub's repository, ``"main"`` for its newest; by default
            the commit that `selfcorrect_env.problems.hub.PINNED` names.

    The metadata hold ``subject``, ``level`` (an int, or None where MATH has none), ``solution``
    and whatever else the row has. A split of another size than the published one gives a
    `ProblemSetWarning`.

    Raises:
        UnknownNameError: no such split or subject.
        MathUnavailableError: (a ProblemSetError) it is neither given, nor cached, nor reachable.
        ProblemSetError: a row is broken, or no problem of these subjects and levels is there.
    """
    check_split("math", split)
    subject, level = check_subjects(subject), check_levels(level)
    file = given_file(path, VARIABLE, split)
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
    problems = ProblemSet(map(_described, problems), name="MATH", split=split)
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
        UnknownNameError: another split than ``"test"``, or no such subject.
        ProblemSetError: as `load_hendrycks`.
    """
    check_split("math500", split, ("test",))
    return load_hendrycks(split, path=path, subject=subject, level=level, revision=revision)


def reference_of(row: Row) -> str:
    r"""Return the reference of a row: its ``answer``, else the last box of its ``solution``.

    Raises:
        ValueError: it has neither.
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


def _described(problem: Problem) -> Problem:
    """Give the metadata MATH's spelling of the subject and the level as a number."""
    facts = dict(problem.metadata)
    subject = facts.pop("type", None) or facts.get("subject")
    found = re.fullmatch(r"(?:Level )?([1-5])", str(facts.get("level")))
    facts["level"] = int(found[1]) if found else None
    known = {name.lower(): name for name in SUBJECTS}
    facts["subject"] = known.get(str(subject).lower(), subject)
    return Problem(
        id=problem.id, prompt=problem.prompt, reference=problem.reference, metadata=facts
    )
