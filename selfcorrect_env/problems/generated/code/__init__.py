"""Our own code problems: generated, so that a code environment works without data.

The tasks are functions over lists, texts, dictionaries and numbers, described in words and by three
asserts, in MBPP's format; further asserts are hidden. The reference computes the expected results
when the set is built. A hash of the task decides whether a problem is in the test or the training
split.
"""

from __future__ import annotations

import operator
from random import Random
from typing import Any

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.code_rows import code_problem
from selfcorrect_env.problems.generated.code import arithmetic, sequences, texts
from selfcorrect_env.problems.generated.code.draft import CodeDraft, CodeTemplate
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import check_split, digest, is_test
from selfcorrect_env.types import Problem

TEMPLATES: tuple[CodeTemplate, ...] = (
    *sequences.TEMPLATES,
    *texts.TEMPLATES,
    *arithmetic.TEMPLATES,
)
"""All kinds of problem."""

DEFAULT_SIZES = {"train": 1_000, "test": 250}
"""Number of problems that `load` returns by default."""

SHOWN = 3
"""Number of tests that the statement shows."""

_TRIES = 100
"""Consecutive draws without a new problem after which a kind of problem is exhausted."""


def load(split: str = "test", *, size: int | None = None, seed: int = 0) -> ProblemSet:
    """Generate code problems, distributed evenly over their kinds.

    Args:
        split: ``"train"`` or ``"test"``: disjoint for all values of the other arguments.
        size: number of problems; by default `DEFAULT_SIZES`.
        seed: determines which problems of the split are drawn, and their order.

    The metadata contain ``template``, ``topic``, ``level`` (1 to 5) and the keys of every code
    problem (`selfcorrect_env.problems.code_rows.code_problem`).

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: ``size`` is below 1, or there are fewer distinct problems.
    """
    check_split("code", split)
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    if wanted < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    rng = Random(f"{seed}/{split}")
    kinds, seen = list(TEMPLATES), set[str]()
    problems: list[Problem] = []
    while len(problems) < wanted:
        if not kinds:
            raise ProblemSetError(
                f"Only {len(problems):,} distinct problems of the {split!r} split were found, not "
                f"size={wanted:,}. Ask for fewer."
            )
        rng.shuffle(kinds)
        for template in kinds[: wanted - len(problems)]:
            draft = _draw(rng, template, split, seen)
            if draft is None:
                kinds.remove(template)
                continue
            seen.add(draft.statement)
            problems.append(_problem(draft, template))
    return ProblemSet(problems, name="procedural-code", split=split)


def _draw(rng: Random, template: CodeTemplate, split: str, seen: set[str]) -> CodeDraft | None:
    for _ in range(_TRIES):
        draft = template.make(rng)
        if is_test(draft.statement) == (split == "test") and draft.statement not in seen:
            return draft
    return None


def _problem(draft: CodeDraft, template: CodeTemplate) -> Problem:
    name = template.name
    program = draft.program.replace("NAME", name) + "\n"
    tests = [_test(name, arguments, program) for arguments in draft.arguments]
    shown = "\n".join(tests[:SHOWN])
    statement = draft.statement.replace("NAME", name)
    return code_problem(
        id=f"{name}/{digest(draft.statement)}",
        prompt=f"{statement} Your code should pass these tests:\n\n{shown}",
        reference=program,
        tests=tests,
        names=[name],
        metadata={
            "template": name,
            "topic": template.topic,
            "level": template.level,
            "shown": SHOWN,
        },
    )


def _test(name: str, arguments: tuple[Any, ...], program: str) -> str:
    namespace: dict[str, Any] = {}
    exec(program, namespace)  # trusted: a template of this package
    result = namespace[name](*arguments)
    comparison = "is" if result is None or isinstance(result, bool) else "=="
    return f"assert {name}({', '.join(map(repr, arguments))}) {comparison} {result!r}"
