"""Our own MATH-style problems: generated, so that `SelfCorrect-MATH-v0` works without data.

Seven subjects, levels 1 to 5, statements in LaTeX, references computed by sympy (imported only
when the set is built). A hash of the statement decides whether a problem is in the test or the
training split. Each kind of problem at each level has its own random stream, so adding a kind does
not change the problems of the others. Scores on these problems are not MATH scores.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import check_split, digest, is_test
from selfcorrect_env.problems.subjects import LEVELS, SUBJECTS, check_levels, check_subjects
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers.math.answer_forms import ANSWER_FORM
from selfcorrect_env.verifiers.math.echoes import contains

if TYPE_CHECKING:
    from selfcorrect_env.problems.generated.math.draft import Draft, Template

DEFAULT_SIZES = {"train": 2_000, "test": 500}
"""Number of problems that `load` returns by default."""

_TRIES = 200
"""Consecutive draws without a new problem after which a kind of problem is exhausted."""


def load(
    split: str = "test",
    *,
    size: int | None = None,
    seed: int = 0,
    subject: str | Iterable[str] | None = None,
    level: int | Iterable[int] | None = None,
) -> ProblemSet:
    r"""Generate MATH-style problems, distributed evenly over subjects, levels and kinds.

    There are tens of thousands of problems. The default test size is that of MATH-500; the default
    training set is built in about a second.

    Args:
        split: ``"train"`` or ``"test"``: disjoint for all values of the other arguments.
        size: number of problems; by default `DEFAULT_SIZES`.
        seed: determines which problems of the split are drawn, and their order.
        subject: one or more subjects; by default all seven.
        level: one or more levels, 1 to 5; by default all.

    The metadata contain ``subject``, ``level``, ``template`` (the kind of problem),
    ``solution``, which ends in the reference as ``\boxed{…}``, and, where an expression of the
    statement is equal to the answer, ``answer_form``, which the math verifier requires.

    Raises:
        UnknownNameError: no such split or subject.
        ProblemSetError: an option is out of range, or there are fewer than ``size`` distinct
            problems.
    """
    check_split("procedural", split)
    subjects = check_subjects(subject) or SUBJECTS
    levels = check_levels(level) or LEVELS
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    if wanted < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    problems = _generate(seed, split, wanted, subjects, levels)
    return ProblemSet(problems, name="procedural-MATH", split=split)


def templates() -> dict[str, tuple[Template, ...]]:
    """Return the kinds of problem by subject. This imports sympy."""
    from selfcorrect_env.problems.generated.math import (
        algebra,
        counting,
        geometry,
        intermediate_algebra,
        number_theory,
        prealgebra,
        precalculus,
    )

    modules = (
        prealgebra,
        algebra,
        number_theory,
        counting,
        geometry,
        intermediate_algebra,
        precalculus,
    )
    return {subject: module.TEMPLATES for subject, module in zip(SUBJECTS, modules, strict=True)}


def _generate(
    seed: int, split: str, wanted: int, subjects: tuple[str, ...], levels: tuple[int, ...]
) -> list[Problem]:
    """Draw from each (subject, level) in turn, and within it from each kind in turn."""
    cells = {
        (subject, level): [
            (template, Random(f"{seed}/{split}/{template.name}/{level}"))
            for template in kinds
            if level in template.levels
        ]
        for subject, kinds in templates().items()
        for level in levels
        if subject in subjects
    }
    order = Random(f"{seed}/{split}")
    problems: list[Problem] = []
    statements: set[str] = set()
    while len(problems) < wanted:
        remaining = [cell for cell, kinds in cells.items() if kinds]
        if not remaining:
            raise ProblemSetError(
                f"Only {len(problems):,} distinct problems of the {split!r} split were found, not "
                f"size={wanted:,}. Ask for fewer, or for more subjects and levels."
            )
        order.shuffle(remaining)
        for subject, level in remaining[: wanted - len(problems)]:
            template, rng = cells[subject, level].pop(0)
            problem = _draw(rng, template, subject, level, split, statements)
            if problem is None:
                continue  # this kind is exhausted
            cells[subject, level].append((template, rng))
            statements.add(problem.prompt)
            problems.append(problem)
    return problems


def _draw(
    rng: Random, template: Template, subject: str, level: int, split: str, statements: set[str]
) -> Problem | None:
    """Draw a new problem of the split; return None after `_TRIES` draws without one.

    A problem whose statement happens to contain its answer, as more than a number, is dropped.
    """
    for _ in range(_TRIES):
        draft = template.make(rng, level)
        if is_test(draft.statement) == (split == "test") and draft.statement not in statements:
            problem = _problem(draft, subject, level, template)
            if not contains(problem.prompt, problem.reference):
                return problem
    return None


def _problem(draft: Draft, subject: str, level: int, template: Template) -> Problem:
    from selfcorrect_env.problems.generated.math.draft import latex

    working, answer = draft.solve()
    reference = latex(answer)
    return Problem(
        id=f"{subject}/{level}/{digest(draft.statement)}",
        prompt=draft.statement,
        reference=reference,
        metadata={
            "subject": subject,
            "level": level,
            "template": template.name,
            "solution": f"{working} The answer is $\\boxed{{{reference}}}$.",
            **({ANSWER_FORM: template.form} if template.form else {}),
        },
    )
