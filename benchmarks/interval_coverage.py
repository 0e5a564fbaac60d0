"""How often is one of two equally good methods declared better? (docs/compare.md, intervals)

For 2, 3 and 5 seeds, the script simulates pairs of methods whose true difference varies from seed
to seed around 0. At most 5% of the pairs should be declared different at p < 0.05:

- ours: `selfcorrect_agents.comparison.results.statistics`
- resampled: the percentile bootstrap over seeds and problems
- pooled: McNemar's exact test over all (seed, problem) pairs

    python benchmarks/interval_coverage.py --pairs 2000
"""

from __future__ import annotations

import argparse

import numpy as np

from selfcorrect_agents.comparison.results.statistics import paired_tests, resample
from selfcorrect_env.evaluation import Array, mcnemar

SEEDS, SPREADS = (2, 3, 5), (0.0, 0.03, 0.1)
BATCH = 100


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--problems", type=int, default=400)
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


if __name__ == "__main__":
    main()
