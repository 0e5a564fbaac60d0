"""Many samples of each problem: what maj@k and pass@k are estimated from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selfcorrect_agents.comparison.plan.config import ScalingConfig
from selfcorrect_agents.training.checkpoint import step_seed
from selfcorrect_env import Agent, Attempt, Episode, play
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
    """What a number of replies buys at each problem, in [0, 1]; nan where it was not judged.

    Every array has the shape (len(replies), problems). ``sequential`` at x replies is x/2
    first attempts, each followed by one correction, of which only the corrected answers count.
    """

    replies: tuple[int, ...]
    """2, 4, 8 … up to the number of samples."""
    parallel: Array
    """maj@x of first attempts."""
    sequential: Array
    """maj@(x/2) of corrected answers."""
    pass_parallel: Array
    """pass@x of first attempts."""
    pass_sequential: Array
    """pass@(x/2) of corrected answers."""


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
    """Play every problem ``scaling.samples`` times; goes on after the batches ``folder`` holds.

    Args:
        make_agent: builds the agent with a seed of sampling; called for every batch.
        env: the environment.
        scaling: how often each problem is played.
        folder: gets ``episodes.jsonl``, the samples of a problem one after the other.
        problems: the first so many are played.
        seed: of the cell.
        batch_size: episodes played at a time.

    Every batch has an agent of its own, whose seed depends on where the batch starts. So a run
    that was interrupted draws the same samples as one that was not.
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
    return scaling_curves(read_episodes(folder / SAMPLES_FILE), samples)


def scaling_curves(episodes: list[Episode], samples: int) -> ScalingCurves:
    """Return what each number of replies buys.

    Args:
        episodes: ``samples`` of each problem, one problem after the other.
        samples: how many, ≥ 2.

    A problem with an episode that could not be judged is left out (nan), at every number.
    """
    replies = tuple(2**i for i in range(1, samples.bit_length()))
    firsts = _Votes.of([e.attempts[0] for e in episodes], samples)
    lasts = _Votes.of([e.attempts[-1] for e in episodes], samples)
    judged = np.array([e.judged for e in episodes]).reshape(-1, samples).all(axis=1)
    halves = [x // 2 for x in replies]

    def seen(values: Array) -> Array:
        return np.where(judged, values, np.nan)

    return ScalingCurves(
        replies=replies,
        parallel=seen(maj_at_k(firsts.codes, firsts.correct, replies).T),
        sequential=seen(maj_at_k(lasts.codes, lasts.correct, halves).T),
        pass_parallel=seen(np.array([pass_at_k(firsts.correct, x) for x in replies])),
        pass_sequential=seen(np.array([pass_at_k(lasts.correct, x) for x in halves])),
    )


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
