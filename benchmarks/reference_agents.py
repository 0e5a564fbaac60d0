"""Is the measurement right? Expected and measured metrics of agents whose metrics are known.

The expected metrics come from the tiny model's own probabilities of the ten answers, not from
episodes; those of the gate come from the same model's episodes without the gate. The script exits
with status 1 if a metric deviates by more than 4.5 standard deviations, or if an exact metric is
not matched. A correct evaluation does that in fewer than 1 of 3,000 runs (30 metrics, 7e-6 each).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from expected_metrics import (
    KNOWN,
    Chances,
    Line,
    compare,
    digit_probabilities,
)

from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.base import Base
from selfcorrect_agents.methods.reference.always_flip import AlwaysFlip
from selfcorrect_agents.methods.reference.copy_resample import Copy, Resample
from selfcorrect_agents.methods.reference.gold import Gold
from selfcorrect_agents.methods.reference.majority import Majority
from selfcorrect_agents.methods.reference.null import Null
from selfcorrect_agents.methods.reference.oracle_gated import OracleGated
from selfcorrect_env import Agent, Report, SelfCorrectEnv, Transition, evaluate

LARGEST_DEVIATION = 4.5
TOKENS = 16


def agents(policy: Policy, seed: int) -> dict[str, Agent]:
    return {
        "copy": Copy(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed),
        "resample": Resample(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed),
        "always_flip": AlwaysFlip(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed),
        "majority, k = 2": Majority(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed, k=2),
        "majority, k = 3": Majority(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed, k=3),
        "null": Null(),
        "gold": Gold(),
        "oracle_gated": OracleGated(policy, max_new_tokens=TOKENS, temperature=1.0, seed=seed),
    }


def certain(value: float, n: int, same: float = 1.0) -> Chances:
    zeros = np.zeros(n)
    return Chances(np.full(n, value), zeros, zeros, np.full(n, same))


def gated(base: Report) -> Chances:
    """Return the expected chances of the gate: the base's own episodes, right ones kept."""
    kept = np.array([e.attempts[0].verdict.correct for e in base.episodes], dtype=float)
    fixed = np.array([e.transition is Transition.INCORRECT_TO_CORRECT for e in base.episodes])
    first, last = ([e.attempts[t].verdict.answer for e in base.episodes] for t in (0, -1))
    same = np.array([a == b for a, b in zip(first, last, strict=True)], dtype=float)
    return Chances(kept, fixed.astype(float), np.zeros(len(kept)), np.maximum(kept, same))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny", help="a tiny model, or a folder with one")
    parser.add_argument("--n", type=int, default=2000, help="number of problems")
    parser.add_argument("--seed", type=int, default=0, help="seed of sampling")
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    env, policy = SelfCorrectEnv("arithmetic"), load_policy(options.model)
    problems = env.problems.head(options.n)
    p = digit_probabilities(policy, [env.prompts.first(problem) for problem in problems])
    right = np.array([int(problem.reference) for problem in problems])
    play = {"n": options.n, "batch_size": 500}
    base = evaluate(
        Base(policy, max_new_tokens=TOKENS, temperature=1.0, seed=options.seed), env, **play
    )
    expected = {name: known(p, right) for name, known in KNOWN.items()}
    expected |= {
        "null": certain(0.0, len(problems)),
        "gold": certain(1.0, len(problems)),
        "oracle_gated": gated(base),
    }
    print(
        f"{env.problems.name}/{env.problems.split}, fingerprint {env.problems.fingerprint}, "
        f"{len(problems)} problems; model {options.model}, T = 1, seed {options.seed}; "
        f"first token is not a digit: {1 - p.sum(1).mean():.1e}\n"
    )
    names = [line.metric for line in compare(expected["copy"], base.metrics)]
    print("| agent | " + " | ".join(names) + " |\n" + "| --- " * (len(names) + 1) + "|")
    lines: dict[str, list[Line]] = {}
    for name, agent in agents(policy, options.seed).items():
        report = evaluate(agent, env, name=name, **play)
        lines[report.agent] = compare(expected[name], report.metrics)
        cells = (f"{100 * x.expected:.1f} / {100 * x.measured:.1f}" for x in lines[report.agent])
        print(f"| {report.agent} | " + " | ".join(cells) + " |", flush=True)
    far = [(n, x) for n, row in lines.items() for x in row if abs(x.deviation) > LARGEST_DEVIATION]
    away = [abs(x.deviation) for row in lines.values() for x in row]
    print(f"\nexpected / measured, %. Largest deviation: {max(away):.1f} standard deviations.")
    for name, line in far:
        print(f"MISSED: {name}, {line}")
    if options.out:
        table = {name: [asdict(line) for line in row] for name, row in lines.items()}
        options.out.write_text(json.dumps(table, indent=2) + "\n")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
