"""Programs to finish in a toy language: verification by execution, then a local repair.

A prompt such as ``"*7-4?3>8="`` shows a program on digits whose last operation is missing, and
its test: from 3 it is to come to 8, where only the last digit of each result is kept. A right
reply writes the operation first and the log of its run after it, ``"+1*71-47+18"``: the
operation ``+1``, then each operation with the digit that it comes to. The verifier runs the
program (`selfcorrect_env.verifiers.toycode`), so whatever passes is right: ``+1``, ``-9``, or a
product where there is one. Only the first operation counts.

Where the headroom for self-correction is: to write the operation first, the whole program must
be run in the head. The log after it is a test run step by step, which is easy, and shows whether
the test passes, that is whether its last digit is the wanted one; it does *not* hold the right
operation. A second attempt that compares the two can work it out, from the digit before the last
step and the wanted one. In `arithmetic`, the right answer stands in the reply and is copied.

A problem belongs to the training, the validation or the test split by a hash of its prompt.

>>> problem = as_problem("*7-4?3>8=")
>>> problem.reference
'+1'
"""

from __future__ import annotations

import operator

import numpy as np

from selfcorrect_env.datasets.splits import SHARES, check_split, split_of
from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.types import Problem
from selfcorrect_env.verifiers.toycode import read_statement, run

OPERATORS = "+-*"
DEFAULT_SIZES = {"train": 20_000, "validation": 2_000, "test": 4_000}
"""How many problems `load` gives when no ``size`` is asked for (fewer where fewer exist)."""

MOST_OPERATIONS = 12
"""The longest program: the number of all problems must fit in 64 bits."""

FEW = 1_000_000
"""Up to so many problems in all, `load` shuffles all of them instead of drawing."""


def as_problem(prompt: str) -> Problem:
    """Return the `Problem` of a prompt with one test; its reference adds a digit.

    Raises:
        ValueError: ``prompt`` is no statement, or has several tests.
    """
    statement = read_statement(prompt)
    if len(statement.tests) != 1:
        raise ValueError(f"Expected one test, as in '*7-4?3>8=', got {prompt!r:.60}.")
    ((given, wanted),) = statement.tests
    results = run(statement.program, given)
    before = int(results[-1]) if results else given
    return Problem(id=prompt[:-1], prompt=prompt, reference=f"+{(wanted - before) % 10}")


def statements(
    rng: np.random.Generator, count: int, *, split: str = "train", operations: int = 3
) -> list[str]:
    """Draw ``count`` prompts of one split independently, so that a prompt may come twice.

    Args:
        rng: where the draws come from.
        count: how many, at least 0.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        operations: of the finished program, 1 to `MOST_OPERATIONS`; the last one is missing.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: ``operations`` is out of its range.
    """
    total = _total(split, operations)
    wanted: list[str] = []
    while len(wanted) < count:
        drawn = int((count - len(wanted)) / SHARES[split] * 1.05) + 16
        wanted += _of_split(rng.integers(total, size=drawn), split, operations)
    return wanted[:count]


def load(
    split: str = "test", *, size: int | None = None, operations: int = 3, seed: int = 0
) -> ProblemSet:
    """Build a set of distinct programs to finish.

    Args:
        split: ``"train"``, ``"validation"`` (for choosing settings) or ``"test"``: disjoint
            whatever the other arguments are.
        size: number of problems; by default `DEFAULT_SIZES`, or all where fewer exist.
        operations: of the finished program, 1 to `MOST_OPERATIONS`: the difficulty.
        seed: which problems of the split are drawn, and in which order.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: an option is out of its range, or there are fewer than ``size``
            problems.
    """
    total = _total(split, operations)
    if size is not None and operator.index(size) < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    rng = np.random.default_rng(seed)
    if total <= FEW:
        prompts = _of_split(rng.permutation(total), split, operations)[:wanted]
    else:
        distinct: dict[str, None] = {}
        while len(distinct) < wanted:
            missing = wanted - len(distinct)
            more = statements(rng, missing, split=split, operations=operations)
            distinct.update(dict.fromkeys(more))
        prompts = list(distinct)
    if size is not None and len(prompts) < size:
        raise ProblemSetError(
            f"There are only {len(prompts):,} programs of {operations} operations in the {split} "
            f"split, not size={size:,}. Ask for fewer, or for more operations."
        )
    return ProblemSet(map(as_problem, prompts), name="toycode", split=split)


def _total(split: str, operations: int) -> int:
    """Return the number of all problems of so many operations, in all splits."""
    check_split("toycode", split, SHARES)
    if not 1 <= operator.index(operations) <= MOST_OPERATIONS:
        raise ProblemSetError(f"operations must be 1 to {MOST_OPERATIONS}, got {operations}.")
    return 100 * (10 * len(OPERATORS)) ** (operations - 1)


def _of_split(numbers: np.ndarray, split: str, operations: int) -> list[str]:
    prompts = (_prompt(number, operations) for number in numbers.tolist())
    return [prompt for prompt in prompts if split_of(prompt) == split]


def _prompt(number: int, operations: int) -> str:
    """Write problem ``number``: its digits say the test, then the operations."""
    number, wanted = divmod(number, 10)
    number, given = divmod(number, 10)
    program = ""
    for _ in range(operations - 1):
        number, step = divmod(number, 10 * len(OPERATORS))
        program += f"{OPERATORS[step // 10]}{step % 10}"
    return f"{program}?{given}>{wanted}="
