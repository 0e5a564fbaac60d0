"""Do stable-baselines3's PPO and A2C improve on the base model?

For each seed the script pre-trains a tiny base model (or loads it from the cache), trains it with
each method on the training split of `SelfCorrect-Arithmetic-v0`, and evaluates it on problems of
the test split, sampled (T = 1) and greedy. It prints every seed and the means, in percent.

    python benchmarks/sb3_learning.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import torch

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.methods.sb3 import SB3A2C, SB3PPO
from selfcorrect_env import Report, SelfCorrectEnv, evaluate

METHODS: dict[str, type[SB3PPO] | type[SB3A2C] | None] = {
    "base": None,
    "sb3_ppo": SB3PPO,
    "sb3_a2c": SB3A2C,
}
DECODINGS = {"sampled": 1.0, "greedy": 0.0}
COLUMNS = ("t1", "t2", "Δ", "Δ i→c", "Δ c→i", "unchanged")


def percentages(report: Report) -> list[float]:
    """Return the columns of a report, in percent."""
    metrics = report.metrics
    values = (
        *(estimate.value for estimate in metrics.accuracy),
        metrics.delta.value,
        metrics.delta_i_to_c.value,
        metrics.delta_c_to_i.value,
        metrics.unchanged_answers.value,
    )
    return [100 * value for value in values]


def run(name: str, seed: int, episodes: int | None, problems: int) -> dict[str, list[float]]:
    """Train one method with one seed, evaluate it with each decoding, and print each result."""
    policy = load_policy(f"tiny:seed={seed}")
    method, note = METHODS[name], ""
    if method is not None:
        config = method.Learning(seed=seed)
        config = config if episodes is None else config.within(episodes)
        start = time.process_time()
        history = method(policy).learn(SelfCorrectEnv("arithmetic", split="train"), config)
        spent = time.process_time() - start
        note = f"{history[-1]['episodes']:,.0f} episodes, {spent:.0f} s of one core"
    found = {}
    for decoding, temperature in DECODINGS.items():
        agent = LanguageModelAgent(policy, max_new_tokens=16, temperature=temperature, seed=seed)
        env = SelfCorrectEnv("arithmetic", split="test")
        report = evaluate(agent, env, n=problems, batch_size=500)
        found[decoding] = percentages(report)
        print(row(name, f"{seed}", decoding, found[decoding], note), flush=True)
    return found


def row(name: str, seed: str, decoding: str, values: Sequence[float], note: str = "") -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join([name, seed, decoding, *(f'{value:.1f}' for value in values), note])} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--episodes", type=int, help="training episodes (each method's default)")
    parser.add_argument("--problems", type=int, default=2000, help="held-out problems")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    test = SelfCorrectEnv("arithmetic", split="test")
    print(f"{arguments.problems} problems of {test}\n")
    print(f"| {' | '.join(['method', 'seed', 'decoding', *COLUMNS, 'cost'])} |")
    print("|" + " --- |" * (len(COLUMNS) + 4))
    found = {
        name: [run(name, seed, arguments.episodes, arguments.problems) for seed in arguments.seeds]
        for name in arguments.methods
    }
    for decoding in DECODINGS:
        for name, runs in found.items():
            columns = zip(*(one[decoding] for one in runs), strict=True)
            print(row(name, "mean", decoding, [statistics.mean(column) for column in columns]))


if __name__ == "__main__":
    main()
