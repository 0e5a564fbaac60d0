"""The problem set ``digit-sums``, and its prompts."""

from __future__ import annotations

import hashlib
from itertools import product

from selfcorrect_env import Problem, ProblemSet, Prompts
from selfcorrect_env.problems import Source


def load(split: str = "test") -> ProblemSet:
    """Return the last digits of sums of two digits, a fifth of them in the test split.

    The first digit is no 0: the last digit of "0+3=" is already the answer, so a reply that repeats
    the problem would be right (``selfcorrect validate`` finds that).

    Raises:
        ValueError: ``split`` is neither ``"train"`` nor ``"test"``.
    """
    if split not in ("train", "test"):
        raise ValueError(f"digit-sums has the splits 'train' and 'test', not {split!r}.")
    problems = [
        Problem(id=f"{a}+{b}", prompt=f"{a}+{b}=", reference=str((a + b) % 10))
        for a, b in product(range(1, 10), range(10))
    ]
    held_out = [problem for problem in problems if is_test(problem.prompt)]
    chosen = held_out if split == "test" else [p for p in problems if p not in held_out]
    return ProblemSet(chosen, name="digit-sums", split=split)


def is_test(prompt: str) -> bool:
    """Whether a problem belongs to the test split: a hash of its text decides."""
    return hashlib.sha256(prompt.encode()).digest()[0] % 5 == 0


SUMS = Source(
    load, verifier="last-digit", prompts="digit-sums", summary="Last digits of sums of two digits"
)

PROMPTS = Prompts(
    name="digit-sums",
    attempt="{prompt}",
    correction="There might be an error. Answer again.",
)
