"""Several samples of each problem: Avg@k, pass@k and maj@k of every turn, over whole problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from selfcorrect_env.evaluation.intervals import RESAMPLES, Array, Estimate, clustered
from selfcorrect_env.evaluation.metrics import Booleans, by_problem, correctness
from selfcorrect_env.evaluation.pass_at_k import answer_codes, maj_at_k, pass_at_k
from selfcorrect_env.types import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Metrics of k samples of each problem, one estimate for each turn; bootstrap over problems."""

    k: int
    """Samples of each problem, ≥ 2."""
    problems: int
    """Problems behind the metrics: those whose samples could all be judged."""
    left_out: int
    """Problems with a sample that the verifier failed to judge."""
    average: tuple[Estimate, ...]
    """Avg@k: the share of right samples."""
    pass_at_k: tuple[Estimate, ...]
    """The share of problems of which at least one sample is right."""
    maj_at_k: tuple[Estimate, ...]
    """The share of problems whose most frequent answer is right; ties count by their shares."""


def measure_samples(
    episodes: Sequence[Episode], *, seed: int = 0, resamples: int = RESAMPLES
) -> Samples | None:
    """Return the metrics of several samples of each problem; None if each was played once.

    Args:
        episodes: the same number for every problem.
        seed: of the bootstrap.
        resamples: how many times to resample.

    Raises:
        ValueError: the numbers of episodes of two problems differ.
    """
    groups = by_problem(episodes)
    sizes = {len(group) for group in groups}
    if sizes <= {1}:
        return None
    if len(sizes) > 1:
        raise ValueError(f"Every problem needs as many samples as the others, got {sorted(sizes)}.")
    (k,) = sizes
    whole = [group for group in groups if all(episode.judged for episode in group)]
    right = [correctness(group) for group in whole]
    turns = range(len(episodes[0].attempts))

    def estimated(of_turn: Callable[[Booleans, list[list[str | None]]], Array]) -> list[Estimate]:
        """Return the mean over problems of what a function says of a turn's verdicts, answers."""
        values = []
        for turn in turns:
            answers = [[e.attempts[turn].verdict.answer for e in group] for group in whole]
            verdicts = np.array([of[:, turn] for of in right], dtype=bool).reshape(-1, k)
            found = of_turn(verdicts, answers) if whole else np.zeros(0)
            values.append(clustered(found, range(len(found)), seed=seed, resamples=resamples))
        return values

    return Samples(
        k=k,
        problems=len(whole),
        left_out=len(groups) - len(whole),
        average=tuple(estimated(lambda verdicts, _: verdicts.mean(axis=1))),
        pass_at_k=tuple(estimated(lambda verdicts, _: pass_at_k(verdicts, k))),
        maj_at_k=tuple(
            estimated(
                lambda verdicts, answers: maj_at_k(answer_codes(answers), verdicts, [k])[:, 0]
            )
        ),
    )
