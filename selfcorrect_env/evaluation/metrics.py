"""Metrics of self-correction over finished episodes (paper, section 3): pure numpy.

This module is the one definition of each metric: evaluation, training logs and comparisons call
it. It holds for any number of attempts K >= 1. Turns are named t1 … tK; "first" and "last" are t1
and tK. Shares, accuracies and scores are in [0, 1]. An episode with an attempt that the verifier
failed to judge is left out of every metric that needs a verdict, and counted. What is left out
could flatter an agent, so accuracies and Δ also exist over all episodes, with every unjudged
attempt counted as wrong, and as right (`Completed`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from selfcorrect_env.evaluation.edit_distance import edit_distance_ratio
from selfcorrect_env.evaluation.intervals import (
    RESAMPLES,
    Array,
    Estimate,
    clustered,
    difference,
    mean,
    share,
)
from selfcorrect_env.types import Attempt, Episode, Reason

Booleans: TypeAlias = npt.NDArray[np.bool_]


# -- arrays over episodes ----------------------------------------------------------------------
def correctness(episodes: Sequence[Episode], *, unjudged: bool = False) -> Booleans:
    """Return shape (N, K): whether attempt k of each episode is right (its score is 1).

    Args:
        episodes: with the same number of attempts each.
        unjudged: what an attempt counts as that the verifier failed to judge.

    Raises:
        ValueError: the episodes have different numbers of attempts.
    """
    rows = [
        [a.verdict.correct if a.verdict.judged else unjudged for a in episode.attempts]
        for episode in episodes
    ]
    return np.array(rows, dtype=bool).reshape(len(episodes), _turns(episodes))


def scores(episodes: Sequence[Episode]) -> Array:
    """Return shape (N, K): the score of attempt k of each episode; 0 where it was not judged.

    Raises:
        ValueError: the episodes have different numbers of attempts.
    """
    rows = [[attempt.verdict.score for attempt in episode.attempts] for episode in episodes]
    return np.array(rows, dtype=float).reshape(len(episodes), _turns(episodes))


def judged(episodes: Sequence[Episode]) -> Booleans:
    """Return shape (N,): whether every attempt of each episode was judged."""
    return np.array([episode.judged for episode in episodes], dtype=bool)


def same_answers(episodes: Sequence[Episode]) -> Booleans:
    """Return shape (N,): whether the last extracted answer equals the first; none equals none."""
    return np.array(
        [_first(e).verdict.answer == _last(e).verdict.answer for e in episodes], dtype=bool
    )


# -- the equations: correct[i, k] says whether attempt k + 1 at problem i is right -----------------
def gained(correct: Booleans, first: int = 0, last: int = -1) -> npt.NDArray[np.int64]:
    """Return shape (N,): +1 if wrong at turn ``first`` and right at ``last``, -1 if the reverse.

    Its mean is Δ = Accuracy@last - Accuracy@first = Δ^{i→c} - Δ^{c→i}.
    """
    return correct[:, last].astype(np.int64) - correct[:, first].astype(np.int64)


def incorrect_to_correct(correct: Booleans) -> Booleans:
    """Return shape (N,): wrong at first and right at last. Its mean is Δ^{i→c}."""
    return ~correct[:, 0] & correct[:, -1]


def correct_to_incorrect(correct: Booleans) -> Booleans:
    """Return shape (N,): right at first and wrong at last. Its mean is Δ^{c→i}."""
    return correct[:, 0] & ~correct[:, -1]


def per_problem(episodes: Sequence[Episode]) -> dict[str, Array]:
    """Return each metric at each problem; its mean over the problems is the metric.

    Returns:
        Arrays of shape (N,), nan where an attempt was not judged: ``t1/accuracy`` …
        ``tK/accuracy``, ``t1/score`` … ``tK/score``, ``delta``, ``delta_i_to_c``,
        ``delta_c_to_i``, ``unchanged_answers``; for K >= 3 also the changes between successive
        turns, ``delta/t1-t2``, ``delta/t2-t3`` …. ``edit_distance_ratio`` needs no verdict: it is
        nan where a reply is missing. The others are never nan: ``t1/accuracy/unjudged_wrong``,
        ``t1/accuracy/unjudged_right`` …, ``delta/unjudged_wrong``, ``delta/unjudged_right`` count
        every unjudged attempt as wrong, or as right.

    Raises:
        ValueError: there is no episode, or their numbers of attempts differ.
    """
    _require_episodes(episodes)
    correct, score = correctness(episodes), scores(episodes)
    turns = correct.shape[1]
    values: dict[str, npt.NDArray[np.generic]] = {
        **{f"t{k + 1}/accuracy": correct[:, k] for k in range(turns)},
        **{f"t{k + 1}/score": score[:, k] for k in range(turns)},
        "delta": gained(correct),
        "delta_i_to_c": incorrect_to_correct(correct),
        "delta_c_to_i": correct_to_incorrect(correct),
        "unchanged_answers": same_answers(episodes),
    }
    if turns > 2:
        for k in range(1, turns):
            values[f"delta/t{k}-t{k + 1}"] = gained(correct, k - 1, k)
    known = judged(episodes)
    result = {name: np.where(known, of.astype(float), np.nan) for name, of in values.items()}
    for name, as_right in (("unjudged_wrong", False), ("unjudged_right", True)):
        all_of = correctness(episodes, unjudged=as_right)
        for k in range(turns):
            result[f"t{k + 1}/accuracy/{name}"] = all_of[:, k].astype(float)
        result[f"delta/{name}"] = gained(all_of).astype(float)
    result["edit_distance_ratio"] = np.array(
        [_edited(episode) if _answered(episode) else np.nan for episode in episodes]
    )
    return result


def turn_metrics(episodes: Sequence[Episode]) -> dict[str, float]:
    """Return the metrics of a training log, without intervals.

    Returns:
        ``t{k}/accuracy`` and ``t{k}/score`` for each turn k, ``delta`` and ``unchanged`` (share of
        last answers that equal the first), over the judged episodes: left out if there are none.
        ``t{k}/tokens`` (mean) and ``t{k}/truncated`` (share), over all episodes whose agent
        reported them: left out if none did.

    Raises:
        ValueError: the numbers of attempts differ.
    """
    result: dict[str, float] = {}
    for k in range(_turns(episodes)):
        turn = _turn(episodes, k)
        for name, value in (("tokens", turn.tokens), ("truncated", turn.truncated)):
            if value is not None:
                result[f"t{k + 1}/{name}"] = value
    whole = [episode for episode in episodes if episode.judged]
    if not whole:
        return result
    names = {"unchanged_answers": "unchanged", "delta": "delta"}
    for name, values in per_problem(whole).items():
        if name.endswith(("/accuracy", "/score")) or name in names:
            result[names.get(name, name)] = float(values.mean())
    return result


def by_problem(episodes: Sequence[Episode]) -> list[list[Episode]]:
    """Return the episodes of each problem, in the order in which the problems first appear."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.problem.id, []).append(episode)
    return list(groups.values())


# -- all metrics of a set of episodes --------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class TurnMetrics:
    """What one attempt of every episode was like."""

    characters: float
    """Mean length of a reply in characters; nan if there is no reply."""
    tokens: float | None
    """Mean length in tokens over the replies whose agent reported it; None if none did."""
    truncated: float | None
    """Share of replies that a token cap cut off, likewise."""
    reasons: Mapping[str, int]
    """How many verdicts had each `Reason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The metrics of *all* episodes, with every unjudged attempt counted in one way.

    An attempt that was judged keeps its verdict, also in an episode whose other attempt was not.
    So Δ = Accuracy@tK - Accuracy@t1 = Δ^{i→c} - Δ^{c→i} holds here as well. Counting as wrong and
    as right gives the least and the greatest value that each accuracy can have; it does not give
    those of Δ, whose two attempts could be completed in different ways.
    """

    accuracy: tuple[Estimate, ...]
    """Accuracy@t for each turn."""
    delta: Estimate
    """Δ(t1, tK)."""
    delta_i_to_c: Estimate
    """Share of all problems wrong at first and right at last."""
    delta_c_to_i: Estimate
    """Share of all problems right at first and wrong at last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics of a set of episodes with K attempts each."""

    episodes: int
    """Number of episodes."""
    unjudged: int
    """Number of episodes with an attempt that was not judged: the verifier failed, or there is no
    reply."""
    first_error: str | None
    """What the first attempt that was not judged has as its cause; None if there is none."""
    accuracy: tuple[Estimate, ...]
    """Accuracy@t for each turn, over the judged episodes, as every metric below that needs a
    verdict."""
    unjudged_wrong: Completed
    """Accuracies and Δ over all episodes, with every unjudged attempt counted as wrong: the
    accuracies are at least these. An agent can't raise them by making the verifier fail."""
    unjudged_right: Completed
    """The same with every unjudged attempt counted as right: the accuracies are at most these."""
    score: tuple[Estimate, ...]
    """Mean score for each turn. It exceeds the accuracy if the verifier gives partial credit."""
    delta: Estimate
    """Δ(t1, tK): accuracy at the last turn minus accuracy at the first."""
    successive: tuple[Estimate, ...]
    """Δ(t1, t2), Δ(t2, t3) …: K - 1 changes in accuracy between successive turns."""
    delta_i_to_c: Estimate
    """Share of all problems wrong at first and right at last."""
    delta_c_to_i: Estimate
    """Share of all problems right at first and wrong at last."""
    fixed: Estimate
    """Share *of the wrong first attempts* that end right; nan if none is wrong."""
    broken: Estimate
    """Share *of the right first attempts* that end wrong; nan if none is right."""
    unchanged_answers: Estimate
    """Share of episodes whose last extracted answer equals the first; none equals none."""
    unchanged_texts: float
    """Share of episodes whose last reply equals the first, character by character; episodes that
    lack a reply are left out, here and in the next."""
    edit_distance_ratio: float
    """Mean `edit_distance_ratio` of the first and the last reply."""
    turns: tuple[TurnMetrics, ...]
    """What each attempt was like."""

    @property
    def judged(self) -> int:
        """Number of episodes behind the accuracies."""
        return self.episodes - self.unjudged

    def why_unjudged(self) -> str:
        """Return how many episodes were not judged, what the accuracy could therefore be, and the
        first cause, in a line; empty if all were judged."""
        if not self.unjudged:
            return ""
        cause = f"First cause: {self.first_error}"
        if self.judged == 0:
            return f"no episode was judged. {cause}"
        what = "episode was" if self.unjudged == 1 else "episodes were"
        least, most = (
            f"{100 * completed.accuracy[-1].value:.1f}"
            for completed in (self.unjudged_wrong, self.unjudged_right)
        )
        return (
            f"{self.unjudged} {what} not judged, of {self.episodes}: accuracy@t{len(self.accuracy)}"
            f" is {least} with every unjudged attempt counted as wrong, {most} as right. {cause}"
        )

    def why_cut_off(self) -> str:
        """Return that the token cap cut off more than half of a turn's replies; else empty."""
        shares = [turn.truncated or 0.0 for turn in self.turns]
        if max(shares) <= 0.5:
            return ""
        listed = ", ".join(f"{100 * share:.0f}% at t{t}" for t, share in enumerate(shares, start=1))
        return (
            f"the token cap cut off {listed} of the replies, and an answer that comes last was not "
            "read: raise it (max_new_tokens)."
        )

    def warnings(self) -> list[str]:
        """Return what is wrong with the episodes that were measured, a line each."""
        return [text for text in (self.why_unjudged(), self.why_cut_off()) if text]

    @property
    def partial(self) -> bool:
        """Whether a score is strictly between 0 and 1."""
        return any(Reason.PARTIAL.value in turn.reasons for turn in self.turns)


def measure(episodes: Sequence[Episode], *, seed: int = 0, resamples: int = RESAMPLES) -> Metrics:
    """Compute every metric of ``episodes``.

    If a problem was played several times, every interval is a bootstrap over whole problems.

    Args:
        episodes: with the same number of attempts each.
        seed: of the bootstrap over problems.
        resamples: how many times to resample.

    Raises:
        ValueError: there is no episode, or their numbers of attempts differ.
    """
    _require_episodes(episodes)
    whole = judged(episodes)
    correct, score = correctness(episodes)[whole], scores(episodes)[whole]
    turns = correct.shape[1]
    first, last = correct[:, 0], correct[:, -1]
    numbers: dict[str, int] = {}  # an id may be as long as a statement
    every = np.array([numbers.setdefault(e.problem.id, len(numbers)) for e in episodes])
    answered = [episode for episode in episodes if _answered(episode)]
    problems = every[whole]
    how = _Intervals(len(numbers) < len(every), seed, resamples)

    def change(before: int, after: int) -> Estimate:
        return how.difference(gained(correct, before, after), problems)

    accuracy = tuple(how.share(correct[:, k], problems) for k in range(turns))
    as_wrong, as_right = (
        _completed(correctness(episodes, unjudged=right), every, how) for right in (False, True)
    )
    return Metrics(
        episodes=len(episodes),
        unjudged=int((~whole).sum()),
        first_error=_first_error(episodes),
        accuracy=accuracy,
        unjudged_wrong=as_wrong,
        unjudged_right=as_right,
        score=tuple(
            accuracy[k]
            if np.array_equal(score[:, k], correct[:, k])
            else how.mean(score[:, k], problems)
            for k in range(turns)
        ),
        delta=change(0, -1),
        successive=tuple(change(k - 1, k) for k in range(1, turns)),
        delta_i_to_c=how.share(incorrect_to_correct(correct), problems),
        delta_c_to_i=how.share(correct_to_incorrect(correct), problems),
        fixed=how.share(last[~first], problems[~first]),
        broken=how.share(~last[first], problems[first]),
        unchanged_answers=how.share(same_answers(episodes)[whole], problems),
        unchanged_texts=_mean([_first(e).reply == _last(e).reply for e in answered]),
        edit_distance_ratio=_mean([_edited(episode) for episode in answered]),
        turns=tuple(_turn(episodes, k) for k in range(turns)),
    )


@dataclass(frozen=True, slots=True)
class _Intervals:
    """How values get their intervals; arguments are shape (N,), and the problems they are of."""

    repeated: bool
    """Whether a problem was played several times."""
    seed: int
    resamples: int

    def share(self, flags: Booleans, problems: npt.NDArray[np.int64]) -> Estimate:
        return self._clustered(flags, problems) if self.repeated else share(flags)

    def difference(self, gains: npt.ArrayLike, problems: npt.NDArray[np.int64]) -> Estimate:
        if self.repeated:
            return self._clustered(gains, problems, least=-1.0)
        return difference(gains, seed=self.seed, resamples=self.resamples)

    def mean(self, values: Array, problems: npt.NDArray[np.int64]) -> Estimate:
        if self.repeated:
            return self._clustered(values, problems)
        return mean(values, seed=self.seed, resamples=self.resamples)

    def _clustered(
        self, values: npt.ArrayLike, problems: npt.NDArray[np.int64], least: float = 0.0
    ) -> Estimate:
        of = problems.tolist()
        return clustered(values, of, least=least, seed=self.seed, resamples=self.resamples)


def _completed(correct: Booleans, problems: npt.NDArray[np.int64], how: _Intervals) -> Completed:
    return Completed(
        accuracy=tuple(how.share(correct[:, k], problems) for k in range(correct.shape[1])),
        delta=how.difference(gained(correct), problems),
        delta_i_to_c=how.share(incorrect_to_correct(correct), problems),
        delta_c_to_i=how.share(correct_to_incorrect(correct), problems),
    )


def _first(episode: Episode) -> Attempt:
    return episode.attempts[0]


def _last(episode: Episode) -> Attempt:
    return episode.attempts[-1]


def _answered(episode: Episode) -> bool:
    return all(attempt.answered for attempt in episode.attempts)


def _edited(episode: Episode) -> float:
    return edit_distance_ratio(_first(episode).reply, _last(episode).reply)


def _first_error(episodes: Sequence[Episode]) -> str | None:
    verdicts = (attempt.verdict for episode in episodes for attempt in episode.attempts)
    return next((verdict.detail for verdict in verdicts if not verdict.judged), None)


def _turns(episodes: Sequence[Episode]) -> int:
    """Return the number of attempts that all episodes have; 0 if there is no episode."""
    numbers = {len(episode.attempts) for episode in episodes}
    if len(numbers) > 1:
        raise ValueError(
            "Metrics need episodes with the same number of attempts; got "
            f"{len(episodes)} episodes with {sorted(numbers)} attempts."
        )
    return numbers.pop() if numbers else 0


def _require_episodes(episodes: Sequence[Episode]) -> None:
    if not _turns(episodes):
        raise ValueError(f"Metrics need at least one episode, got {len(episodes)}.")


def _turn(episodes: Sequence[Episode], k: int) -> TurnMetrics:
    attempts = [episode.attempts[k] for episode in episodes]
    tokens = [attempt.tokens for attempt in attempts if attempt.tokens is not None]
    truncated = [attempt.truncated for attempt in attempts if attempt.truncated is not None]
    return TurnMetrics(
        characters=_mean([len(attempt.reply) for attempt in attempts if attempt.answered]),
        tokens=_mean(tokens) if tokens else None,
        truncated=_mean(truncated) if truncated else None,
        reasons=dict(Counter(attempt.verdict.reason.value for attempt in attempts)),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
