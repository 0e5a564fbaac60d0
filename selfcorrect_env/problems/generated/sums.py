"""Sums in words, answer first: a task for pretrained instruct models that needs no data.

A problem asks for the value of a short sum, ``"What is 14 + 27 - 9?"``. Its prompts
(`selfcorrect_env.prompts`, ``"sums"``) ask for the answer on the first line and for the working on
the second, and the verifier ``"answer-line"`` judges the first line alone. A small model guesses
the answer, then often works it out correctly on the next line. At the second attempt the
conversation contains its own working. So a model that reads it can correct itself, without being
told anything about the answer (docs/results/sums.md has measurements).

A hash of the statement alone decides whether a problem is in the training, the validation or the
test split, for all levels and seeds.

>>> problem = as_problem((14, 27, -9), level=1)
>>> problem.prompt, problem.reference
('What is 14 + 27 - 9?', '32')
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence

import numpy as np

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import SHARES, check_split, split_of
from selfcorrect_env.types import Problem

LEVELS: dict[int, tuple[range, ...]] = {
    1: (range(5, 30), range(5, 30), range(-19, -2)),
    2: (range(2, 10), range(2, 10), range(-9, -1), range(2, 10)),
    3: (range(11, 100), range(11, 100), range(-60, -10)),
}
"""The terms of each level: 14 + 27 - 9, then 7 + 8 - 5 + 6, then 58 + 67 - 23.

A term below 0 is subtracted. Only sums of at least 1 are problems.
"""

DEFAULT_SIZES = {"train": 4_000, "validation": 200, "test": 1_000}
"""Number of problems that `load` returns by default (fewer if fewer exist)."""


def as_problem(terms: Sequence[int], level: int) -> Problem:
    """Return the `Problem` of a sum; its id is the sum, its metadata the level and ``results``.

    ``results`` are the values after the second, third … term: what a right working comes to, step
    by step.
    """
    results = np.cumsum(terms).tolist()[1:]
    signed = (f" {'-' if term < 0 else '+'} {abs(term)}" for term in terms[1:])
    text = f"{terms[0]}{''.join(signed)}"
    return Problem(
        id=text,
        prompt=f"What is {text}?",
        reference=str(results[-1]),
        metadata={"level": level, "results": results},
    )


def load(
    split: str = "test", *, size: int | None = None, level: int = 1, seed: int = 0
) -> ProblemSet:
    """Build a set of distinct sums of one level, drawn evenly.

    Args:
        split: ``"train"``, ``"validation"`` (for choosing settings) or ``"test"``: disjoint
            for all values of the other arguments.
        size: number of problems; by default `DEFAULT_SIZES`, or all if fewer exist.
        level: 1 (three terms below 30), 2 (four terms of one digit) or 3 (three terms of two
            digits).
        seed: determines which sums of the split are drawn, and their order.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: no such level, ``size`` is below 1, or there are fewer than ``size``
            distinct sums.
    """
    check_split("sums", split, SHARES)
    if operator.index(level) not in LEVELS:
        raise ProblemSetError(f"level must be one of {', '.join(map(str, LEVELS))}, got {level}.")
    if size is not None and operator.index(size) < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    problems: list[Problem] = []
    for terms in _shuffled(LEVELS[level], seed):
        if sum(terms) < 1:
            continue
        problem = as_problem(terms, level)
        if split_of(problem.prompt) == split:
            problems.append(problem)
            if len(problems) == wanted:
                break
    if size is not None and len(problems) < size:
        raise ProblemSetError(
            f"There are only {len(problems):,} sums of level {level} in the {split} split, not "
            f"size={size:,}. Ask for fewer, or for another level."
        )
    return ProblemSet(problems, name="sums", split=split)


def _shuffled(terms: tuple[range, ...], seed: int) -> Iterator[tuple[int, ...]]:
    """Yield every choice of one number from each range, once, in a random order."""
    sizes = [len(numbers) for numbers in terms]
    for number in np.random.default_rng(seed).permutation(math.prod(sizes)):
        chosen = np.unravel_index(number, sizes)
        yield tuple(numbers[int(i)] for numbers, i in zip(terms, chosen, strict=True))
