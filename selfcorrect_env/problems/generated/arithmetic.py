"""Answer-first chains: the embedded default task, small enough for a model trained on a laptop.

A prompt such as ``"3+4*2-1="`` is computed strictly from left to right, and only the last
digit of every result is kept: 3+4 = 7, 7*2 = 14 → 4, 4-1 = 3. The reference is the final
digit, ``"3"``; ``results`` in the metadata has all of them, ``"743"``.

A hash of the text alone decides whether a chain is in the training, the validation or the test
split, for all options and seeds. So no evaluation problem is a training problem, and settings can
be chosen on validation problems without using the test split.

>>> problem = as_problem("3+4*2-1=")
>>> problem.reference, problem.metadata["results"]
('3', '743')
"""

from __future__ import annotations

import itertools
import operator
import re

import numpy as np
from numpy.typing import NDArray

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.splits import (
    SHARES,
    check_split,
    draw_distinct,
    draw_of_split,
    split_of,
)
from selfcorrect_env.types import Problem

OPERATORS = "+-*"
DEFAULT_SIZES = {"train": 20_000, "validation": 2_000, "test": 4_000}
"""Number of problems that `load` returns by default (fewer if fewer exist)."""

_CHAIN = re.compile(r"[0-9](?:[-+*][0-9])+=")


def solve(prompt: str) -> str:
    """Return the last digits of all results of a chain, in order: ``"3+4*2-1="`` → ``"743"``.

    Raises:
        ValueError: ``prompt`` is not a chain.
    """
    if not _CHAIN.fullmatch(prompt):
        raise ValueError(f"Expected a chain such as '3+4*2-1=', got {prompt!r:.60}.")
    return _solve_all([prompt])[0]


def as_problem(prompt: str) -> Problem:
    """Return the `Problem` of a chain; its id is the chain without ``=``."""
    return _problem(prompt, solve(prompt))


def chains(
    rng: np.random.Generator,
    count: int,
    *,
    split: str = "train",
    operations: int = 3,
    multiply: float = 0.5,
) -> list[str]:
    """Draw ``count`` chains of one split independently; duplicates are possible.

    Args:
        rng: the random generator.
        count: number of chains, at least 0.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        operations: number of operators in a chain, at least 1.
        multiply: probability of ``*`` for each operator, in [0, 1]; ``+`` and ``-`` share the rest.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: an option is out of range.
    """
    operations = _check(split, operations, multiply)

    def draw(number: int) -> list[str]:
        digits = rng.integers(0, 10, (number, operations + 1), dtype=np.uint8)
        plus_or_minus = rng.integers(0, 2, (number, operations), dtype=np.uint8)
        signs = np.where(rng.random((number, operations)) < multiply, 2, plus_or_minus)
        return _write(digits, signs)

    return draw_of_split(count, split, draw)


def load(
    split: str = "test",
    *,
    size: int | None = None,
    operations: int = 3,
    multiply: float = 0.5,
    seed: int = 0,
) -> ProblemSet:
    """Build a set of distinct chains.

    Args:
        split: ``"train"``, ``"validation"`` (for choosing settings) or ``"test"``: disjoint
            for all values of the other arguments.
        size: number of problems; by default `DEFAULT_SIZES`, or all if fewer exist.
        operations: number of operators in a chain, at least 1; this sets the difficulty.
        multiply: probability of ``*`` for each operator, in [0, 1].
        seed: determines which chains of the split are drawn, and their order.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: an option is out of range, or there are fewer than ``size``
            distinct chains.
    """
    operations = _check(split, operations, multiply)
    if size is not None and operator.index(size) < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    rng = np.random.default_rng(seed)
    choices = (2 if multiply < 1 else 0) + (1 if multiply > 0 else 0)
    existing = 10 ** (operations + 1) * choices**operations * SHARES[split]
    if 4 * wanted > existing:
        prompts = _sample_few(rng, wanted, split, operations, multiply)
        if size is not None and len(prompts) < size:
            raise ProblemSetError(
                f"There are only {len(prompts):,} chains of {operations} operations in the "
                f"{split} split, not size={size:,}. Ask for fewer, or for more operations."
            )
    else:
        options = {"split": split, "operations": operations, "multiply": multiply}
        prompts = draw_distinct(wanted, lambda number: chains(rng, number, **options))
    problems = map(_problem, prompts, _solve_all(prompts))
    return ProblemSet(problems, name="arithmetic", split=split)


def _check(split: str, operations: int, multiply: float) -> int:
    check_split("arithmetic", split, SHARES)
    if operator.index(operations) < 1:
        raise ProblemSetError(f"operations must be at least 1, got {operations}.")
    if not 0.0 <= multiply <= 1.0:
        raise ProblemSetError(f"multiply must be a probability in [0, 1], got {multiply}.")
    return operator.index(operations)


def _problem(prompt: str, results: str) -> Problem:
    return Problem(
        id=prompt[:-1], prompt=prompt, reference=results[-1], metadata={"results": results}
    )


def _of_split(prompts: list[str], split: str) -> list[str]:
    return [prompt for prompt in prompts if split_of(prompt) == split]


def _write(digits: NDArray[np.integer], signs: NDArray[np.integer]) -> list[str]:
    """Write chains: ``digits`` (n, operations + 1) in 0-9, ``signs`` (n, operations) in 0-2."""
    text = np.empty((len(digits), 2 * digits.shape[1]), dtype=np.uint8)
    text[:, 0::2] = digits + ord("0")
    text[:, 1:-1:2] = np.frombuffer(OPERATORS.encode(), dtype=np.uint8)[signs]
    text[:, -1] = ord("=")
    return _strings(text)


def _solve_all(prompts: list[str]) -> list[str]:
    """Solve chains of equal length, vectorised."""
    text = np.frombuffer("".join(prompts).encode(), dtype=np.uint8).reshape(len(prompts), -1)
    digits = text[:, 0::2].astype(np.int16) - ord("0")
    value, results = digits[:, 0], np.empty((len(prompts), digits.shape[1] - 1), dtype=np.uint8)
    for i in range(results.shape[1]):
        sign, right = text[:, 2 * i + 1], digits[:, i + 1]
        plus, minus, times = value + right, value - right, value * right
        value = np.select([sign == ord("+"), sign == ord("-")], [plus, minus], times) % 10
        results[:, i] = value + ord("0")
    return _strings(results)


def _strings(text: NDArray[np.uint8]) -> list[str]:
    joined, width = text.tobytes().decode("ascii"), text.shape[1]
    return [joined[start : start + width] for start in range(0, len(joined), width)]


def _sample_few(
    rng: np.random.Generator, count: int, split: str, operations: int, multiply: float
) -> list[str]:
    """Draw up to ``count`` distinct chains if these are a large share of all that exist.

    Each chain gets an exponential waiting time whose rate is its probability. The chains with the
    shortest times are distributed like draws without replacement (Efraimidis, Spirakis 2006).
    """
    signs = ("+-" if multiply < 1 else "") + ("*" if multiply > 0 else "")
    alphabets = ["0123456789", *[signs, "0123456789"] * operations, "="]
    prompts = _of_split(["".join(parts) for parts in itertools.product(*alphabets)], split)
    times = np.array([prompt.count("*") for prompt in prompts])
    rates = multiply**times * ((1 - multiply) / 2) ** (operations - times)
    waits = rng.exponential(size=len(prompts)) / rates
    return [prompts[i] for i in np.argsort(waits, kind="stable")[:count]]
