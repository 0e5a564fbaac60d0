"""The figures of self-correction over finished episodes (paper, section 3): pure numpy.

Turns are counted from 1; "first" and "last" are turns 1 and T of an episode with T attempts
(T = 2 in the paper). Shares and accuracies lie in [0, 1]. An episode with an attempt that the
verifier failed to judge is left out of every figure that needs a verdict, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from selfcorrect_env.evaluation.edit_distance import edit_distance_ratio
from selfcorrect_env.evaluation.intervals import (
    RESAMPLES,
    Array,
    Estimate,
    bootstrap_counts,
    estimate,
    mcnemar,
    ratio,
)
from selfcorrect_env.types import Attempt, Episode

Booleans: TypeAlias = npt.NDArray[np.bool_]


# -- the equations: correct[i, t] says whether attempt t + 1 at problem i is right ----------
def accuracy(correct: npt.ArrayLike, turn: int) -> float:
    """Accuracy@t: share of the problems that attempt ``turn`` (1, 2 …) answers right."""
    return _share(_correct(correct)[:, turn - 1])


def delta(correct: npt.ArrayLike) -> float:
    """Δ(t1, t2) = Accuracy@t2 - Accuracy@t1, of the last attempt and the first."""
    correct = _correct(correct)
    return _share(correct[:, -1]) - _share(correct[:, 0])


def delta_i_to_c(correct: npt.ArrayLike) -> float:
    """Δ^{i→c}: share of all problems that are wrong at first and right at last."""
    correct = _correct(correct)
    return _share(~correct[:, 0] & correct[:, -1])


def delta_c_to_i(correct: npt.ArrayLike) -> float:
    """Δ^{c→i}: share of all problems that are right at first and wrong at last.

    Δ(t1, t2) = Δ^{i→c} - Δ^{c→i}.
    """
    correct = _correct(correct)
    return _share(correct[:, 0] & ~correct[:, -1])


# -- all figures of a set of episodes ----------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFacts:
    """What one attempt of every episode was like."""

    characters: float
    """Mean length of a reply in characters."""
    tokens: float | None
    """Mean length in tokens over the replies whose agent said it; None where none did."""
    truncated: float | None
    """Share of replies that a token cap cut off, likewise."""
    reasons: Mapping[str, int]
    """How many verdicts had each `Reason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The figures of a set of episodes."""

    episodes: int
    """Number of episodes."""
    unjudged: int
    """Number of episodes with an attempt that the verifier failed to judge."""
    accuracy: tuple[Estimate, ...]
    """Accuracy@t for each turn."""
    delta: Estimate
    """Accuracy at the last turn minus accuracy at the first."""
    delta_i_to_c: Estimate
    """Share of all problems wrong at first and right at last."""
    delta_c_to_i: Estimate
    """Share of all problems right at first and wrong at last."""
    fixed: Estimate
    """Share *of the wrong first attempts* that end right; nan where none is wrong."""
    broken: Estimate
    """Share *of the right first attempts* that end wrong; nan where none is right."""
    unchanged_answers: Estimate
    """Share of episodes whose last extracted answer equals the first; none equals none."""
    unchanged_texts: float
    """Share of episodes whose last reply equals the first, character by character."""
    edit_distance_ratio: float
    """Mean `edit_distance_ratio` of the first and the last reply."""
    turns: tuple[TurnFacts, ...]
    """What each attempt was like."""

    @property
    def judged(self) -> int:
        """Number of episodes behind the accuracies."""
        return self.episodes - self.unjudged


def measure(episodes: Sequence[Episode], *, seed: int = 0, resamples: int = RESAMPLES) -> Metrics:
    """Compute every figure of ``episodes``.

    Args:
        episodes: with the same number of attempts each.
        seed: of the bootstrap over problems.
        resamples: how many times to resample.

    Raises:
        ValueError: there is no episode, or their numbers of attempts differ.
    """
    turns = _number_of_turns(episodes)
    judged = [episode for episode in episodes if episode.judged]
    correct = correctness(judged, turns)
    same = np.array([_same_answer(episode) for episode in judged], dtype=bool)
    # all that the figures below need of an episode: right or not at each turn, same answer or not
    kinds, cells = np.unique(np.column_stack([correct, same]), axis=0, return_counts=True)
    counts = bootstrap_counts(cells, seed=seed, resamples=resamples)
    first, last = kinds[:, 0], kinds[:, turns - 1]

    def figure(of: Callable[[npt.NDArray[np.int64]], Array]) -> Estimate:
        return estimate(float(of(cells)), of(counts))

    def share(which: Booleans, among: Booleans | None = None) -> Estimate:
        among = np.ones(len(kinds), dtype=bool) if among is None else among
        return figure(lambda n: ratio((n * (which & among)).sum(-1), (n * among).sum(-1)))

    return Metrics(
        episodes=len(episodes),
        unjudged=len(episodes) - len(judged),
        accuracy=tuple(share(kinds[:, t]) for t in range(turns)),
        delta=figure(lambda n: ratio((n * (1 * last - first)).sum(-1), n.sum(-1))),
        delta_i_to_c=share(~first & last),
        delta_c_to_i=share(first & ~last),
        fixed=share(last, among=~first),
        broken=share(~last, among=first),
        unchanged_answers=share(kinds[:, -1]),
        unchanged_texts=_mean([_first(e).reply == _last(e).reply for e in episodes]),
        edit_distance_ratio=_mean(
            [edit_distance_ratio(_first(e).reply, _last(e).reply) for e in episodes]
        ),
        turns=tuple(_facts(episodes, turn) for turn in range(turns)),
    )


def correctness(episodes: Sequence[Episode], turns: int) -> Booleans:
    """Return shape (episodes, turns): whether each attempt was right."""
    rows = [[attempt.verdict.correct for attempt in episode.attempts] for episode in episodes]
    return np.array(rows, dtype=bool).reshape(len(episodes), turns)


# -- two agents on the same problems -------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """How a second agent does against a first, at the last attempt, on the same problems."""

    problems: int
    """Problems that both were judged on."""
    left_out: int
    """Problems where either could not be judged."""
    difference: Estimate
    """Last-turn accuracy of the second minus that of the first; bootstrap over problems."""
    only_first: int
    """Problems that only the first gets right."""
    only_second: int
    """Problems that only the second gets right."""
    p_value: float
    """Exact two-sided McNemar test of the two counts above."""


def paired(
    first: Sequence[Episode],
    second: Sequence[Episode],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare two agents' episodes of the same problems, problem by problem.

    Raises:
        ValueError: the two do not hold the same problems, each once.
    """
    by_id = {episode.problem.id: episode for episode in first}
    others = {episode.problem.id: episode for episode in second}
    if not (len(by_id) == len(first) == len(second)) or by_id.keys() != others.keys():
        raise ValueError(
            "A paired comparison needs two sets of episodes of the same problems, each played "
            f"once: got {len(first)} and {len(second)} episodes that share "
            f"{len(by_id.keys() & others.keys())} problem ids."
        )
    both = [(by_id[id], others[id]) for id in by_id if by_id[id].judged and others[id].judged]
    gains = np.array([_last(b).verdict.correct - _last(a).verdict.correct for a, b in both], int)
    cells = np.array([(gains < 0).sum(), (gains == 0).sum(), (gains > 0).sum()])
    counts = bootstrap_counts(cells, seed=seed, resamples=resamples)

    def difference(n: npt.NDArray[np.int64]) -> Array:
        return ratio(n[..., 2] - n[..., 0], n.sum(-1))

    return Paired(
        problems=len(both),
        left_out=len(by_id) - len(both),
        difference=estimate(float(difference(cells)), difference(counts)),
        only_first=int(cells[0]),
        only_second=int(cells[2]),
        p_value=mcnemar(int(cells[0]), int(cells[2])),
    )


def _first(episode: Episode) -> Attempt:
    return episode.attempts[0]


def _last(episode: Episode) -> Attempt:
    return episode.attempts[-1]


def _same_answer(episode: Episode) -> bool:
    return _first(episode).verdict.answer == _last(episode).verdict.answer


def _number_of_turns(episodes: Sequence[Episode]) -> int:
    numbers = {len(episode.attempts) for episode in episodes}
    if len(numbers) != 1:
        raise ValueError(
            "Metrics need at least one episode, all with the same number of attempts; got "
            f"{len(episodes)} episodes with {sorted(numbers) or 'no'} attempts."
        )
    return numbers.pop()


def _facts(episodes: Sequence[Episode], turn: int) -> TurnFacts:
    attempts = [episode.attempts[turn] for episode in episodes]
    tokens = [attempt.tokens for attempt in attempts if attempt.tokens is not None]
    truncated = [attempt.truncated for attempt in attempts if attempt.truncated is not None]
    return TurnFacts(
        characters=_mean([len(attempt.reply) for attempt in attempts]),
        tokens=_mean(tokens) if tokens else None,
        truncated=_mean(truncated) if truncated else None,
        reasons=dict(Counter(attempt.verdict.reason.value for attempt in attempts)),
    )


def _correct(correct: npt.ArrayLike) -> Booleans:
    array = np.asarray(correct, dtype=bool)
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f"Expected an array of shape (problems, turns), got {array.shape}.")
    return array


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _share(values: Booleans) -> float:
    return float(values.mean()) if len(values) else float("nan")
