"""Tasks of the package ``reasoning-gym``: procedural, each with its own scorer (Apache-2.0).

A problem's metadata contain the ``task``, its ``parameters`` and the ``entry`` that the package
generated, so that stored episodes can be re-scored.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from typing import Any

from selfcorrect_env.errors import ProblemSetError, UnknownProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import check_split, digest, is_test
from selfcorrect_env.types import Problem

DEFAULT_SIZES = {"train": 1_000, "test": 200}
"""Number of problems that `load` returns by default."""

_DRAWS = 50
"""Number of entries to examine per problem before a task counts as exhausted."""


def load(
    split: str = "test",
    *,
    task: str = "chain_sum",
    size: int | None = None,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> ProblemSet:
    """Generate the problems of a task.

    Args:
        split: ``"train"`` or ``"test"``: disjoint, by a hash of the question.
        task: the name of a data set of the package, such as ``"chain_sum"``.
        size: number of problems; by default `DEFAULT_SIZES`.
        seed: determines which problems are drawn.
        parameters: parameters of the task, such as ``{"max_terms": 3}``.

    Raises:
        UnknownNameError: no such split or task.
        ProblemSetError: the package is not installed, the task does not have a parameter, or it
            has fewer than ``size`` distinct questions.
    """
    check_split("reasoning-gym", split)
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    if wanted < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    entries = _entries(task, wanted * _DRAWS, seed, dict(parameters or {}))
    problems: dict[str, Problem] = {}
    for index in range(len(entries)):
        if len(problems) == wanted:
            break
        entry = entries[index]
        question = entry["question"]
        if question not in problems and is_test(question) == (split == "test"):
            problems[question] = _problem(task, entry, dict(parameters or {}))
    if len(problems) < wanted:
        raise ProblemSetError(
            f"Only {len(problems):,} distinct questions of {task!r} belong to the {split!r} split, "
            f"not size={wanted:,}. Ask for fewer, or for other parameters."
        )
    return ProblemSet(problems.values(), name=f"reasoning-gym-{task}", split=split)


def _entries(task: str, size: int, seed: int, parameters: dict[str, Any]) -> Any:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        raise ProblemSetError(
            "SelfCorrect-ReasoningGym-v0 needs the package reasoning-gym: "
            "pip install 'selfcorrect-env[reasoning-gym]'"
        ) from error
    if task not in DATASETS:
        raise UnknownProblemSetError.of("task of reasoning-gym", task, DATASETS)
    try:
        return create_dataset(task, size=size, seed=seed, **parameters)
    except (TypeError, ValueError, AssertionError) as error:
        raise ProblemSetError(
            f"reasoning-gym's task {task!r} does not accept parameters={parameters!r}: {error}"
        ) from error


def _problem(task: str, entry: Mapping[str, Any], parameters: dict[str, Any]) -> Problem:
    plain = json.loads(json.dumps(dict(entry), default=str))
    answer = entry["answer"]
    return Problem(
        id=f"{task}/{digest(entry['question'])}",
        prompt=entry["question"],
        reference="" if answer is None else str(answer),
        metadata={"task": task, "parameters": parameters, "entry": plain},
    )
