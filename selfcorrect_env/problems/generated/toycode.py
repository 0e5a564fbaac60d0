"""Completing programs in a toy language: verification by execution, then a local repair.

A prompt such as ``"*7-4?3>8="`` shows a program on digits whose last operation is missing, and a
test: for the input 3 the output must be 8; only the last digit of each result is kept. A right
reply has the operation first and then the log of a run, ``"+1*71-47+18"``: the operation ``+1``,
then each operation with the digit that results. The verifier runs the program
(`selfcorrect_env.verifiers.toycode`), so every operation that passes is right: ``+1``, ``-9``, or
a product if there is one. Only the first operation counts.

The headroom for self-correction: to write the operation first, a model has to run the whole
program without intermediate steps. The log after it is a run step by step, which is easy, and
shows whether the test passes, that is, whether its last digit is the target. It does *not* contain
the right operation. A second attempt that compares the two digits can decide whether to change its
answer, and can find the new one: by trying another of the few digits that may have to be added
(``choices``), or from the digit before the last step and the target. In `arithmetic`, the right
answer is in the reply and can be copied.

A hash of the prompt decides whether a problem is in the training, the validation or the test
split.

>>> problem = as_problem("*7-4?3>8=")
>>> problem.reference
'+1'
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

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
from selfcorrect_env.verifiers.toycode import read_statement, run

DEFAULT_SIZES = {"train": 20_000, "validation": 1_500, "test": 4_000}
"""Number of problems that `load` returns by default (fewer if fewer exist)."""

CHOICES = 4
"""Default of ``choices``: the number of digits that may have to be added."""

MOST_OPERATIONS = 12
"""Maximum length of a program: the number of all problems must fit in 64 bits."""


def as_problem(prompt: str) -> Problem:
    """Return the `Problem` of a prompt with one test; its reference adds a digit.

    Raises:
        ValueError: ``prompt`` is not a statement, or has several tests.
    """
    statement = read_statement(prompt)
    if len(statement.tests) != 1:
        raise ValueError(f"Expected one test, as in '*7-4?3>8=', got {prompt!r:.60}.")
    ((given, wanted),) = statement.tests
    results = run(statement.program, given)
    before = int(results[-1]) if results else given
    return Problem(id=prompt[:-1], prompt=prompt, reference=f"+{(wanted - before) % 10}")


def statements(
    rng: np.random.Generator,
    count: int,
    *,
    split: str = "train",
    operations: int = 3,
    multiply: float = 0.5,
    choices: int = CHOICES,
) -> list[str]:
    """Draw ``count`` prompts of one split independently; duplicates are possible.

    Args:
        rng: the random generator.
        count: number of prompts, at least 0.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        operations: length of the complete program, 1 to `MOST_OPERATIONS`; the last one is
            missing.
        multiply: probability of ``*`` in each given operation, in [0, 1]; ``+`` and ``-`` share
            the rest.
        choices: the right operation adds 0 to ``choices`` − 1; 1 to 10.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: an option is out of range, or no problem is in the split.
    """
    programs = Programs.of(split, operations, multiply, choices)
    return programs.of_split(rng, count, split)


def load(
    split: str = "test",
    *,
    size: int | None = None,
    operations: int = 3,
    multiply: float = 0.5,
    choices: int = CHOICES,
    seed: int = 0,
) -> ProblemSet:
    """Build a set of distinct programs to complete.

    Args:
        split: ``"train"``, ``"validation"`` (for choosing settings) or ``"test"``: disjoint
            for all values of the other arguments.
        size: number of problems; by default `DEFAULT_SIZES`, or all if fewer exist.
        operations: length of the complete program, 1 to `MOST_OPERATIONS`; this sets the
            difficulty.
        multiply: probability of ``*`` in each given operation, in [0, 1].
        choices: the right operation adds 0 to ``choices`` − 1; 1 to 10.
        seed: determines which problems of the split are drawn, and their order.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: an option is out of range, or there are fewer than ``size``
            problems.
    """
    programs = Programs.of(split, operations, multiply, choices)
    if size is not None and operator.index(size) < 1:
        raise ProblemSetError(f"size must be at least 1, got {size}.")
    wanted = DEFAULT_SIZES[split] if size is None else operator.index(size)
    rng = np.random.default_rng(seed)
    if 4 * wanted > programs.total * SHARES[split]:
        every = programs.prompts(programs.draw_all(rng))
        prompts = [prompt for prompt in every if split_of(prompt) == split][:wanted]
        if size is not None and len(prompts) < size:
            raise ProblemSetError(
                f"There are only {len(prompts):,} programs of {operations} operations in the "
                f"{split} split, not size={size:,}. Ask for fewer, or for more operations."
            )
    else:
        prompts = draw_distinct(wanted, lambda number: programs.of_split(rng, number, split))
    return ProblemSet(map(as_problem, prompts), name="toycode", split=split)


@dataclass(frozen=True)
class Programs:
    """All programs of one length; each has a number from 0 to ``total - 1``."""

    signs: str
    """The operators that occur."""
    shares: tuple[float, ...]
    """The probability of each operator."""
    given: int
    """Number of given operations."""
    choices: int
    """The right operation adds 0 to ``choices`` − 1."""

    @classmethod
    def of(cls, split: str, operations: int, multiply: float, choices: int) -> Programs:
        """Check the options of a set, and return the programs that it is drawn from."""
        check_split("toycode", split, SHARES)
        if not 1 <= operator.index(operations) <= MOST_OPERATIONS:
            raise ProblemSetError(f"operations must be 1 to {MOST_OPERATIONS}, got {operations}.")
        if not 0.0 <= multiply <= 1.0:
            raise ProblemSetError(f"multiply must be a probability in [0, 1], got {multiply}.")
        if not 1 <= operator.index(choices) <= 10:
            raise ProblemSetError(f"choices must be 1 to 10, got {choices}.")
        shares = {"+": (1 - multiply) / 2, "-": (1 - multiply) / 2, "*": multiply}
        found = {sign: share for sign, share in shares.items() if share > 0}
        programs = cls("".join(found), tuple(found.values()), operations - 1, choices)
        if programs.total < 1_000:  # so few that a split may be empty
            every = programs.prompts(np.arange(programs.total))
            if not any(split_of(prompt) == split for prompt in every):
                raise ProblemSetError(
                    f"None of the {len(every)} programs of {operations} operations belongs to the "
                    f"{split} split. Ask for more operations or choices."
                )
        return programs

    @property
    def total(self) -> int:
        """The number of programs in all splits."""
        return self._tests * (10 * len(self.signs)) ** self.given

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Draw numbers independently."""
        steps = 10 * rng.choice(len(self.signs), (count, self.given), p=self.shares)
        steps += rng.integers(10, size=steps.shape)
        return rng.integers(self._tests, size=count) + self._tests * steps @ self._weights

    def of_split(self, rng: np.random.Generator, count: int, split: str) -> list[str]:
        """Draw prompts of one split independently."""
        return draw_of_split(count, split, lambda number: self.prompts(self.draw(rng, number)))

    def draw_all(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw every number once, in the order of draws without replacement.

        Each number gets an exponential waiting time whose rate is its probability (Efraimidis,
        Spirakis 2006).
        """
        numbers = np.arange(self.total)
        signs = numbers[:, None] // (self._tests * self._weights) % (10 * len(self.signs)) // 10
        rates = np.prod(np.array(self.shares)[signs], axis=1)
        return np.argsort(rng.exponential(size=self.total) / rates, kind="stable")

    def prompts(self, numbers: NDArray[np.int64]) -> list[str]:
        """Return the prompts of these numbers."""
        return list(map(self.prompt, numbers.tolist()))

    def prompt(self, number: int) -> str:
        """Return the prompt of a number; its lowest digit (base ``_tests``) is the test."""
        number, test = divmod(number, self._tests)
        program = ""
        for _ in range(self.given):
            number, step = divmod(number, 10 * len(self.signs))
            program += f"{self.signs[step // 10]}{step % 10}"
        given, added = divmod(test, self.choices)
        return f"{program}?{given}>{run(f'{program}+{added}', given)[-1]}="

    @property
    def _tests(self) -> int:
        return 10 * self.choices

    @property
    def _weights(self) -> NDArray[np.int64]:
        return (10 * len(self.signs)) ** np.arange(self.given)
