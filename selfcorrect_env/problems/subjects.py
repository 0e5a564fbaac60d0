"""MATH's seven subjects and five levels, and filters for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet

SUBJECTS = (
    "Prealgebra",
    "Algebra",
    "Number Theory",
    "Counting & Probability",
    "Geometry",
    "Intermediate Algebra",
    "Precalculus",
)
"""The subjects in MATH's spelling."""

LEVELS = (1, 2, 3, 4, 5)
"""The levels, from easiest to hardest."""


def find_subject(name: str) -> str:
    """Return the subject with this name, ignoring case and punctuation.

    >>> find_subject("counting_and_probability")
    'Counting & Probability'

    Raises:
        UnknownNameError: there is no such subject.
    """
    for subject in SUBJECTS:
        if _letters(subject) == _letters(name):
            return subject
    raise UnknownProblemSetError.of("subject", name, SUBJECTS)


def check_subjects(subject: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the subjects in MATH's spelling; None, which means all, is returned unchanged.

    Raises:
        UnknownNameError: there is no such subject.
    """
    if subject is None:
        return None
    return tuple(map(find_subject, [subject] if isinstance(subject, str) else subject))


def check_levels(level: int | Iterable[int] | None) -> tuple[int, ...] | None:
    """Return the levels as a tuple; None, which means all, is returned unchanged.

    Raises:
        ProblemSetError: a level is not in 1-5.
    """
    if level is None:
        return None
    levels = tuple(level) if isinstance(level, Iterable) else (level,)
    for one in levels:
        if isinstance(one, bool) or one not in LEVELS:
            raise ProblemSetError(f"A level must be an integer from 1 to 5, got {one!r}.")
    return levels


def select(
    problems: ProblemSet,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
) -> ProblemSet:
    """Return the problems of these subjects and levels; None means all of them.

    Raises:
        UnknownNameError: there is no such subject.
        ProblemSetError: a level is not in 1-5, or no problem is left.
    """
    subjects, levels = check_subjects(subject), check_levels(level)
    if subjects is not None:
        problems = problems.filter(lambda problem: problem.metadata.get("subject") in subjects)
    if levels is not None:
        problems = problems.filter(lambda problem: problem.metadata.get("level") in levels)
    return problems


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower().replace("&", "and"))
