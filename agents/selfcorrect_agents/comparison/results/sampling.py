"""Many samples of each problem, from which maj@k and pass@k are estimated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selfcorrect_agents.comparison.plan.config import ScalingConfig
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_env import Agent, Attempt, CheckpointError, Episode, play
from selfcorrect_env.evaluation import (
    AnyEnv,
    Array,
    EpisodeLog,
    answer_codes,
    maj_at_k,
    pass_at_k,
    read_episodes,
    write_episodes,
)

SAMPLES_FILE = "episodes.jsonl"


@dataclass(frozen=True)
class ScalingCurves:
    """Accuracy against the number of replies at each problem, in [0, 1]; nan if not judged.

    Every array has the shape (len(replies), problems). ``sequential`` at x replies is x/K episodes
    of K attempts, of which only the last answers count. With K = 1 the arrays of ``sequential`` and
    ``pass_sequential`` have the length 0.
    """

    replies: tuple[int, ...]
    """K, 2K, 4K … up to the number of samples; 2, 4, 8 … for the K = 2 of the paper."""
    parallel: Array
    """maj@x of first attempts."""
    sequential: Array
    """maj@(x/K) of last attempts."""
    pass_parallel: Array
    """pass@x of first attempts."""
    pass_sequential: Array
    """pass@(x/K) of last attempts."""
    equal_tokens: Array
    """maj@y of first attempts, y as many as the x/K episodes of ``sequential`` have tokens for; nan
    if there are fewer samples. Of length 0 if no tokens were counted, or K = 1."""
    pass_equal_tokens: Array
    """pass@y of the same."""
    tokens: tuple[float, float] | None
    """Mean number of sampled tokens of a first attempt and of an episode; None if not counted."""


def sample_many(
    make_agent: Callable[[int], Agent],
    env: AnyEnv,
    scaling: ScalingConfig,
    folder: Path,
    *,
    problems: int,
    seed: int,
    batch_size: int,
) -> None:
    """Play every problem ``scaling.samples`` times; resume after the batches in ``folder``.

    Args:
        make_agent: builds the agent with a seed of sampling; called for every batch.
        env: the environment.
        scaling: how often each problem is played.
        folder: gets ``episodes.jsonl``, the samples of a problem one after the other.
        problems: the first N are played.
        seed: the cell's seed.
        batch_size: episodes played at a time.

    Every batch has an agent of its own, whose seed depends on where the batch starts. So an
    interrupted run draws the same samples as an uninterrupted one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    indices = np.repeat(np.arange(problems), scaling.samples)
    path = folder / SAMPLES_FILE
    done = _whole_batches(path, len(indices), batch_size)
    with EpisodeLog(path) as log:
        for start in range(done, len(indices), batch_size):
            agent = make_agent(step_seed(seed, start, "scaling") % 2**31)
            batch = indices[start : start + batch_size].tolist()
            log.append(play(agent, env, indices=batch, batch_size=batch_size))


def _whole_batches(path: Path, total: int, batch_size: int) -> int:
    """Cut a log after its last whole batch, and return how many episodes it holds then."""
    with EpisodeLog(path) as log:
        kept = log.kept
    whole = len(kept) if len(kept) >= total else len(kept) // batch_size * batch_size
    if whole < len(kept):  # a process was killed while it wrote a batch
        write_episodes(path, kept[:whole])
    return whole


def read_curves(folder: Path, samples: int) -> ScalingCurves:
    """Return the curves of what `sample_many` wrote."""
    episodes = read_episodes(folder / SAMPLES_FILE)
    if len(episodes) % samples:
        raise CheckpointError(
            f"{folder / SAMPLES_FILE} has {len(episodes):,} episodes, no multiple of {samples} "
            f"samples: two processes wrote to it. Delete {folder} to sample again."
        )
    return scaling_curves(episodes, samples)


def scaling_curves(episodes: list[Episode], samples: int) -> ScalingCurves:
    """Return the accuracy at each number of replies.

    Args:
        episodes: ``samples`` of each problem, one problem after the other.
        samples: how many, at least the number of attempts.

    A problem with an episode that could not be judged is left out (nan), at every number.
    """
    attempts = len(episodes[0].attempts)
    doublings = (samples // attempts).bit_length()
    replies = tuple(attempts * 2**i for i in range(doublings))
    firsts = _Votes.of([e.attempts[0] for e in episodes], samples)
    lasts = _Votes.of([e.attempts[-1] for e in episodes], samples)
    judged = np.array([e.judged for e in episodes]).reshape(-1, samples).min(axis=1)
    played = [x // attempts for x in replies] if attempts > 1 else []  # whole episodes

    def votes(of: _Votes, counts: Sequence[int]) -> Array:
        if not counts:
            return np.empty((0, len(judged)))
        return np.where(judged, maj_at_k(of.codes, of.correct, counts).T, np.nan)

    def passes(of: _Votes, counts: Sequence[int]) -> Array:
        if not counts:
            return np.empty((0, len(judged)))
        return np.where(judged, np.array([pass_at_k(of.correct, x) for x in counts]), np.nan)

    tokens = _mean_tokens(episodes)
    afforded = [] if tokens is None else [int(n * tokens[1] / tokens[0] + 1e-9) for n in played]
    there = [count for count in afforded if count <= samples]
    beyond = np.full((len(afforded) - len(there), len(judged)), np.nan)

    return ScalingCurves(
        replies=replies,
        parallel=votes(firsts, replies),
        sequential=votes(lasts, played),
        pass_parallel=passes(firsts, replies),
        pass_sequential=passes(lasts, played),
        equal_tokens=np.concatenate([votes(firsts, there), beyond]),
        pass_equal_tokens=np.concatenate([passes(firsts, there), beyond]),
        tokens=tokens,
    )


def _mean_tokens(episodes: Sequence[Episode]) -> tuple[float, float] | None:
    """Return the mean number of tokens of a first attempt and of an episode."""
    rows = []
    for episode in episodes:
        counts = [attempt.tokens for attempt in episode.attempts if attempt.tokens is not None]
        if len(counts) < len(episode.attempts):
            return None
        rows.append((counts[0], sum(counts)))
    first, whole = np.mean(rows, axis=0).tolist()
    return (first, whole) if first > 0 else None


@dataclass(frozen=True)
class _Votes:
    codes: npt.NDArray[np.int64]
    correct: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, attempts: list[Attempt], samples: int) -> _Votes:
        starts = range(0, len(attempts), samples)
        rows = [[a.verdict for a in attempts[i : i + samples]] for i in starts]
        return cls(
            answer_codes([[verdict.answer for verdict in row] for row in rows]),
            np.array([[verdict.correct for verdict in row] for row in rows], dtype=bool),
        )


def count_samples(folder: Path) -> int:
    """Return how many episodes `sample_many` has written so far."""
    path = folder / SAMPLES_FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0
