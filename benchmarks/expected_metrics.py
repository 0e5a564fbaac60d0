"""The expected metrics of the reference agents, from the model's probabilities without episodes.

On `SelfCorrect-Arithmetic-v0` an answer is one digit, and the tiny model writes it first, so the
probabilities p_a of all ten answers to a problem are one row of a softmax. They determine the
probability of every transition for each problem: `KNOWN`, one function per agent. A first token
that is not a digit (5 in 10,000 with the default model) counts as no answer, so the expected
metrics are exact up to that share.

On `SelfCorrect-ToyCode-v0` an answer is an operation, two tokens, and a sum or a difference adds a
digit. The probabilities of the ten digits determine the same metrics (`sum_probabilities`), except
`resampled`'s share of same answers, since +1 and -9 are different texts.

Axes: N problems, 10 answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import Conversation
from selfcorrect_env.evaluation import Metrics

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chances:
    """The probability of each event for each problem, all of shape (N,) and in [0, 1]."""

    right: Array
    """A right first answer."""
    fixed: Array
    """First answer wrong, last answer right (i→c)."""
    broken: Array
    """First answer right, last answer wrong (c→i)."""
    same: Array
    """First and last answer equal."""


@dataclass(frozen=True)
class Line:
    """The expected and the measured value of a metric, and their deviation."""

    metric: str
    expected: float
    """A share, or a difference of shares."""
    measured: float
    deviation: float
    """In standard deviations of the measured value; 0 or inf if the expected value is exact. The
    variance has one problem added, so that the first occurrence of a rare event raises no alarm."""


def digit_probabilities(
    policy: Policy, conversations: Sequence[Conversation], temperature: float = 1.0
) -> Array:
    """Return the probability of each digit as the first token of a reply.

    Args:
        policy: the model; its tokenizer has one token for each digit.
        conversations: N conversations.
        temperature: temperature of sampling, above 0.

    Returns:
        (N, 10); each row sums to 1 minus the probability of another first token.

    Raises:
        ValueError: the tokenizer splits a digit into several tokens.
    """
    encoded = policy.tokenizer(list("0123456789"), add_special_tokens=False)["input_ids"]
    digits = cast("list[list[int]]", encoded)
    if any(len(ids) != 1 for ids in digits):
        raise ValueError("The tokenizer splits a digit into several tokens; it must be one.")
    context = policy.start(conversations)
    column = context.ids.shape[1]
    context.sample(1, 0.0)  # the logits are those of the sampled token
    with torch.no_grad():
        logits = policy.logits(context.ids, context.mask, torch.tensor([column]))[:, 0]
    chances = (logits / temperature).softmax(-1)[:, [ids[0] for ids in digits]]
    return chances.double().cpu().numpy()


def sum_probabilities(
    policy: Policy, conversations: Sequence[Conversation], temperature: float = 1.0
) -> Array:
    """Return the probability of each digit that a reply to a ToyCode problem adds.

    A reply that starts with ``+d`` adds d; one that starts with ``-d`` adds (10 - d) mod 10.

    Args:
        policy: the model; its tokenizer has one token for each digit and sign.
        conversations: N conversations.
        temperature: temperature of sampling, above 0.

    Returns:
        (N, 10); each row sums to 1 minus the probability of another start.

    Raises:
        ValueError: the tokenizer splits a digit or a sign into several tokens.
    """
    encoded = policy.tokenizer(list("0123456789+-"), add_special_tokens=False)["input_ids"]
    tokens = cast("list[list[int]]", encoded)
    if any(len(ids) != 1 for ids in tokens):
        raise ValueError("The tokenizer splits a digit or a sign into several tokens.")
    *digits, plus, minus = (ids[0] for ids in tokens)
    context = policy.start(conversations)
    rows, column = context.ids.shape
    real = torch.cat([context.mask, context.mask.new_ones(rows, 2)], dim=1)
    chances = torch.zeros(rows, 10)
    for sign, factor in ((plus, 1), (minus, -1)):
        ids = torch.cat([context.ids, context.ids.new_full((rows, 2), sign)], dim=1)
        with torch.no_grad():
            logits = policy.logits(ids, real, torch.tensor([column, column + 1])) / temperature
        signs, after = logits.softmax(-1).cpu().unbind(1)
        joint = signs[:, sign : sign + 1] * after[:, digits]
        chances[:, [factor * digit % 10 for digit in range(10)]] += joint
    return chances.double().numpy()


def copied(p: Array, right: npt.NDArray[np.int64]) -> Chances:
    """Copy: nothing changes."""
    return Chances(_at_right(p, right), np.zeros(len(p)), np.zeros(len(p)), np.ones(len(p)))


def resampled(p: Array, right: npt.NDArray[np.int64]) -> Chances:
    """Two independent samples: p (1 - p) for either transition, Σ p_a² for the same answer."""
    r = _at_right(p, right)
    return Chances(r, (1 - r) * r, r * (1 - r), (p**2).sum(1))


def flipped(p: Array, right: npt.NDArray[np.int64]) -> Chances:
    """One of nine other digits: breaks right answers, fixes a ninth of the wrong ones."""
    r = _at_right(p, right)
    return Chances(r, (1 - r) / 9, r, np.zeros(len(p)))


def voted_of_two(p: Array, right: npt.NDArray[np.int64]) -> Chances:
    """A vote of two: keeps the first answer; if there is none, takes the second."""
    r, none = _at_right(p, right), np.clip(1 - p.sum(1), 0, 1)
    return Chances(r, none * r, np.zeros(len(p)), 1 - none * (1 - none))


def voted_of_three(p: Array, right: npt.NDArray[np.int64]) -> Chances:
    """A vote of three: keeps the first answer unless both others agree on another."""
    r = _at_right(p, right)
    squares = (p**2).sum(1)
    changed = squares - (p**3).sum(1)  # Σ_a p_a Σ_{b≠a} p_b²
    return Chances(r, (1 - r) * r**2, r * (squares - r**2), 1 - changed)


KNOWN: dict[str, Callable[[Array, npt.NDArray[np.int64]], Chances]] = {
    "copy": copied,
    "resample": resampled,
    "always_flip": flipped,
    "majority, k = 2": voted_of_two,
    "majority, k = 3": voted_of_three,
}
"""Agent -> function of p, (N, 10), and of the right digits, (N,)."""


def compare(chances: Chances, metrics: Metrics) -> list[Line]:
    """Compare the metrics of an evaluation with the expected ones.

    Problems are independent, so a count has mean Σ q_i and variance Σ q_i (1 - q_i). The second
    accuracy is the sum of two events: right and not broken, or fixed.
    """
    fixed, broken = chances.fixed, chances.broken
    last = chances.right - broken + fixed
    return [
        _line("accuracy@t1", chances.right, metrics.accuracy[0].value),
        _line("accuracy@t2", last, metrics.accuracy[-1].value),
        _line("Δ", fixed - broken, metrics.delta.value, fixed + broken),
        _line("Δ i→c", fixed, metrics.delta_i_to_c.value),
        _line("Δ c→i", broken, metrics.delta_c_to_i.value),
        _line("same answer", chances.same, metrics.unchanged_answers.value),
    ]


def _line(metric: str, mean: Array, measured: float, square: Array | None = None) -> Line:
    """Compare one metric; ``mean`` and ``square`` are its first two moments for each problem."""
    square = mean if square is None else square
    expected = float(mean.mean())
    variance = float((square - mean**2).sum())
    away = measured - expected
    if variance < 1e-9:
        return Line(metric, expected, measured, 0.0 if abs(away) < 1e-9 else math.inf)
    return Line(metric, expected, measured, len(mean) * away / math.sqrt(variance + 1))


def _at_right(p: Array, right: npt.NDArray[np.int64]) -> Array:
    return p[np.arange(len(p)), right]
