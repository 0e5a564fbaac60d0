"""More samples of the same problem: majority vote (maj@k) and pass@k, as arrays in and out.

The paper (figure 1, right; section 6.2) spends a budget of replies in two ways: 2K first attempts
and a vote over their answers, or K first attempts, each followed by one correction, and a vote
over the corrected answers. Both metrics are expectations over which k of n samples are drawn:
they are less noisy than the metric of the first k samples.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from selfcorrect_env.evaluation.intervals import Array

NO_ANSWER = -1
"""The code of a reply without an answer: it counts as a sample and does not vote."""


def answer_codes(answers: Sequence[Sequence[str | None]]) -> npt.NDArray[np.int64]:
    """Number the answers of each problem: equal strings share a number, None is `NO_ANSWER`.

    Args:
        answers: for each problem, what was extracted from each of its n replies.

    Returns:
        Shape (problems, n), numbers from 0 within each row.

    >>> answer_codes([["7", "3", None, "7"]]).tolist()
    [[0, 1, -1, 0]]
    """
    rows = []
    for row in answers:
        numbers: dict[str, int] = {}
        rows.append([NO_ANSWER if a is None else numbers.setdefault(a, len(numbers)) for a in row])
    return np.array(rows, dtype=np.int64).reshape(len(rows), -1)


def pass_at_k(correct: npt.ArrayLike, k: int) -> Array:
    """Return the probability that at least one of k samples is right, for each problem.

    The unbiased estimator 1 - C(n - c, k) / C(n, k), where c of n samples are right: the share of
    all subsets of size k that hold a right one (Chen et al. 2021, arXiv 2107.03374).

    Args:
        correct: shape (problems, n): whether each sample is right.
        k: 1 to n.

    Raises:
        ValueError: ``correct`` has another shape, or k is outside 1 to n.

    >>> pass_at_k([[True, False, False]], 2).round(4).tolist()
    [0.6667]
    """
    right = _two_dimensional(correct, "correct").astype(bool)
    n = right.shape[1]
    _check_k([k], n)
    every = math.comb(n, k)
    return np.array([1 - math.comb(n - int(c), k) / every for c in right.sum(axis=1)])


def maj_at_k(codes: npt.ArrayLike, correct: npt.ArrayLike, ks: Sequence[int]) -> Array:
    """Return the probability that the majority of k samples is right, for each problem and k.

    The expectation over all subsets of size k of the n samples. The answers that most samples of a
    subset give are tied; each of them wins with equal probability. Samples without an
    answer do not vote; a subset without any vote is wrong. An answer is worth the share of its
    samples that were judged right (0 or 1 if the verdict follows from the answer).

    Args:
        codes: shape (problems, n): the answers as numbers (`answer_codes`).
        correct: shape (problems, n): whether each sample was judged right.
        ks: numbers of samples, each 1 to n.

    Returns:
        Shape (problems, len(ks)).

    Raises:
        ValueError: the shapes differ, or a k is outside 1 to n.

    >>> maj_at_k([[0, 0, 1]], [[True, True, False]], [1, 2, 3]).round(4).tolist()
    [[0.6667, 0.6667, 1.0]]
    """
    answers = _two_dimensional(codes, "codes")
    right = _two_dimensional(correct, "correct").astype(bool)
    if answers.shape != right.shape:
        raise ValueError(
            f"codes and correct must have one shape, got {answers.shape} and {right.shape}."
        )
    n = answers.shape[1]
    _check_k(ks, n)
    rows = []
    for row, verdicts in zip(answers, right, strict=True):
        groups = [row == code for code in np.unique(row[row != NO_ANSWER])]
        votes = tuple(
            sorted((int(g.sum()), float(verdicts[g].mean())) for g in groups)
        )  # problems with the same votes share one computation
        rows.append(_majority(votes, n)[list(ks)])
    return np.array(rows).reshape(len(answers), len(ks))


@functools.lru_cache(maxsize=4096)
def _majority(votes: tuple[tuple[int, float], ...], n: int) -> Array:
    """Return shape (n + 1,): the expected worth of the winner of k samples, for every k.

    Args:
        votes: (samples, worth) of each answer.
        n: samples in all; those that are in no group don't vote.

    For each number of votes ``top`` that a winner may have, a subset is a choice from every group
    of fewer than ``top`` samples or, if the group is tied for the top, of just ``top``. Two
    polynomials in the subset's size, one row for each number of tied groups, are multiplied up
    over the groups: ``ways`` counts subsets, ``worth`` adds up the worth of their tied groups.
    """
    total = np.zeros(n + 1)
    silent = _choices(n - sum(count for count, _ in votes), n)
    for top in range(1, max((count for count, _ in votes), default=0) + 1):
        ties = 1 + sum(count >= top for count, _ in votes)
        ways, worth = np.zeros((ties, n + 1)), np.zeros((ties, n + 1))
        ways[0] = silent
        for count, value in votes:
            fewer = _times(n, _choices(count, n, below=top))
            new_ways, new_worth = ways @ fewer, worth @ fewer
            if count >= top:
                tied = math.comb(count, top)
                moved_ways, moved_worth = _shift(ways, top), _shift(worth, top)
                new_ways[1:] += tied * moved_ways[:-1]
                new_worth[1:] += tied * (moved_worth[:-1] + value * moved_ways[:-1])
            ways, worth = new_ways, new_worth
        total += (worth[1:] / np.arange(1, ties)[:, None]).sum(axis=0)
    return total / np.array([math.comb(n, k) for k in range(n + 1)], dtype=float)


def _choices(count: int, n: int, below: int | None = None) -> Array:
    """Return shape (n + 1,): in how many ways x of ``count`` can be chosen, for x < ``below``."""
    most = count if below is None else min(count, below - 1)
    return np.array([math.comb(count, x) if x <= most else 0 for x in range(n + 1)], dtype=float)


def _times(n: int, polynomial: Array) -> Array:
    """Return the (n + 1, n + 1) matrix that multiplies a row of coefficients by a polynomial."""
    matrix = np.zeros((n + 1, n + 1))
    for i in range(n + 1):
        matrix[i, i:] = polynomial[: n + 1 - i]
    return matrix


def _shift(rows: Array, by: int) -> Array:
    shifted = np.zeros_like(rows)
    shifted[:, by:] = rows[:, : rows.shape[1] - by]
    return shifted


def _two_dimensional(values: npt.ArrayLike, name: str) -> npt.NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f"{name} must have shape (problems, samples), got {array.shape}.")
    return array


def _check_k(ks: Sequence[int], n: int) -> None:
    for k in ks:
        if not 1 <= k <= n:
            raise ValueError(f"k must be between 1 and the number of samples {n}, got {k}.")
