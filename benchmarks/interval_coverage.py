"""How often are intervals and tests of a comparison false? (docs/explanation/intervals.md)

First, how often is one of two equally good methods declared better?

For 2, 3 and 5 seeds, the script simulates pairs of methods whose true difference varies from seed
to seed around 0. At most 5% of the pairs should be declared different at p < 0.05:

- ours: `selfcorrect_agents.comparison.results.statistics`
- resampled: the percentile bootstrap over seeds and problems
- pooled: McNemar's exact test over all (seed, problem) pairs

Second, how often does an interval hold the true value where a seed arrives at 98.5% with a certain
probability and else stays at 42%? `--sets` comparisons of one method for each probability and
number of seeds:

- mean: the interval that a mean over seeds has elsewhere (it is not shown if a seed arrives)
- arrivals: Clopper–Pearson's, of the probability
- level: that of the accuracy of the seeds that arrived (sets with fewer than two are left out)

    python benchmarks/interval_coverage.py --pairs 2000
"""

from __future__ import annotations

import argparse

import numpy as np

from selfcorrect_agents.comparison.results.arrivals import clopper_pearson
from selfcorrect_agents.comparison.results.statistics import estimates, paired_tests, resample
from selfcorrect_env.evaluation import Array, mcnemar

SEEDS, SPREADS = (2, 3, 5), (0.0, 0.03, 0.1)
BATCH = 100

SHARES, NUMBERS = (0.6, 0.9, 0.95, 0.99), (3, 5, 10, 20)
"""Probabilities that a seed arrives, and numbers of seeds."""

LEVELS, LEVEL_SPREADS = (0.42, 0.985), (0.015, 0.005)
"""True accuracy of a seed that stays and of one that arrives, and its spread between seeds."""


def gains(rng: np.random.Generator, seeds: int, spread: float, problems: int) -> Array:
    """One pair: -1, 0 or 1 at each problem of each seed; P(1) - P(-1) is the seed's true gain."""
    true = np.clip(rng.normal(0, spread, (seeds, 1)), -0.4, 0.4)
    drawn = rng.random((seeds, problems))
    return (drawn < 0.2 + true / 2) * 1.0 - (drawn > 0.8 + true / 2)


def resampled_differs(gain: Array, rng: np.random.Generator) -> bool:
    """Return whether the percentile interval over resampled seeds and problems excludes 0."""
    means = resample(gain, seed=0, resamples=1000)
    picks = rng.integers(0, len(gain), size=means.shape)
    low, high = np.percentile(np.take_along_axis(means, picks, axis=1).mean(axis=1), [2.5, 97.5])
    return not low <= 0 <= high


def pooled_differs(gain: Array) -> bool:
    """Return whether McNemar's test over all (seed, problem) pairs gives p < 0.05."""
    return mcnemar(int((gain < 0).sum()), int((gain > 0).sum())) < 0.05


def outcomes(
    rng: np.random.Generator, share: float, seeds: int, problems: int
) -> tuple[Array, Array]:
    """One method: which seeds arrive (S,), and whether each problem is right (S, N)."""
    arrived = rng.random(seeds) < share
    centre, spread = np.array(LEVELS)[arrived * 1], np.array(LEVEL_SPREADS)[arrived * 1]
    level = np.clip(rng.normal(centre, spread), 0, 1)
    return arrived, (rng.random((seeds, problems)) < level[:, None]) * 1.0


def covered(
    rng: np.random.Generator, share: float, seeds: int, problems: int, sets: int
) -> list[str]:
    """Return in how many percent each interval holds the true value."""
    low, high = LEVELS
    mean = share * high + (1 - share) * low
    drawn = [outcomes(rng, share, seeds, problems) for _ in range(sets)]
    hits: dict[str, list[bool]] = {"mean": [], "arrivals": [], "level": []}
    for start in range(0, sets, BATCH):
        some = drawn[start : start + BATCH]
        given = [right[arrived] for arrived, right in some if arrived.sum() > 1]
        whole = [right for _, right in some]
        found = estimates([*whole, *given], ["share"] * (len(whole) + len(given)))
        hits["mean"] += [e.low <= mean <= e.high for e in found[: len(whole)]]
        hits["level"] += [e.low <= high <= e.high for e in found[len(whole) :]]
    shares = [clopper_pearson(int(arrived.sum()), seeds) for arrived, _ in drawn]
    hits["arrivals"] = [e.low <= share <= e.high for e in shares]
    return [f"{100 * np.mean(each):.0f}" for each in hits.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{options.pairs} pairs, {options.problems} problems, seed {options.seed}; in percent")
    print("| seeds | sd between seeds | ours | resampled | pooled |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for seeds in SEEDS:
        for spread in SPREADS:
            drawn = [gains(rng, seeds, spread, options.problems) for _ in range(options.pairs)]
            ours = [
                pair.p_value < 0.05
                for start in range(0, len(drawn), BATCH)
                for pair in paired_tests([(0 * g, g) for g in drawn[start : start + BATCH]])
            ]
            others = [
                [resampled_differs(g, rng) for g in drawn],
                [pooled_differs(g) for g in drawn],
            ]
            cells = " | ".join(f"{100 * np.mean(share):.1f}" for share in [ours, *others])
            print(f"| {seeds} | {100 * spread:.0f} | {cells} |", flush=True)
    print(f"\n{options.sets} sets, {options.problems} problems: covered, in percent")
    print("| arrives | seeds | mean | arrivals | level |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for share in SHARES:
        for seeds in NUMBERS:
            cells = " | ".join(covered(rng, share, seeds, options.problems, options.sets))
            print(f"| {100 * share:g}% | {seeds} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
