"""A comparison as the engine would write it, drawn by chance around plausible figures."""

from __future__ import annotations

import math
import random
from itertools import combinations
from typing import Any

# name -> agent, oracle, trained, then Acc@t1, i->c, c->i sampled and greedy
METHODS: dict[
    str, tuple[str, bool, bool, tuple[float, float, float], tuple[float, float, float]]
] = {
    "base": ("base", False, False, (0.353, 0.024, 0.119), (0.382, 0.004, 0.009)),
    "Self-Refine": ("self_refine", False, False, (0.351, 0.031, 0.098), (0.382, 0.012, 0.014)),
    "STaR": ("star", False, True, (0.353, 0.025, 0.129), (0.383, 0.002, 0.003)),
    "Pair-SFT": ("pair_sft", False, True, (0.337, 0.341, 0.066), (0.354, 0.32, 0.012)),
    "multi-turn RL": ("multiturn_rl", False, True, (0.364, 0.018, 0.034), (0.375, 0.001, 0.001)),
    "SCoRe": ("score", False, True, (0.36, 0.629, 0.002), (0.373, 0.626, 0.0)),
    "told whether right": ("oracle", True, False, (0.353, 0.31, 0.0), (0.382, 0.2, 0.0)),
}
SEEDS = [0, 1, 2, 3, 4]
PROBLEMS = 2000
STEPS = 70


def comparison(seed: int = 0) -> dict[str, Any]:
    """Return what ``comparison.json`` would hold."""
    rng = random.Random(seed)
    methods = [_method(rng, name) for name in METHODS]
    return {
        "title": "Seven methods on three-operation chains",
        "created": "2025-11-24T18:03:11Z",
        "measured": {
            "problem_set": "arithmetic",
            "split": "test",
            "fingerprint": "1c999acd5a4031c9",
            "size": 4000,
            "problems": PROBLEMS,
            "verifier": "exact",
            "prompts": "arithmetic",
            "attempts": 2,
        },
        "model": "tiny:seed={seed},hidden_size=64",
        "budget": {"episodes": 17920},
        "seeds": SEEDS,
        "decodings": ["sampled", "greedy"],
        "methods": methods,
        "pairs": [
            _pair(rng, first, second, decoding)
            for decoding in ("sampled", "greedy")
            for first, second in combinations(methods, 2)
        ],
    }


def episodes(seed: int = 0, each: int = 4) -> list[dict[str, Any]]:
    """Return a sample of episodes: ``each`` for every method, decoding and transition."""
    rng = random.Random(seed)
    return [
        _episode(rng, name, decoding, transition)
        for name in METHODS
        for decoding in ("sampled", "greedy")
        for transition in ("i->c", "c->i", "c->c", "i->i")
        for _ in range(each)
    ]


def worked_episode() -> dict[str, Any]:
    """Return an episode with replies in words, of which the second changes a line."""
    first = (
        "There are 16 eggs. She eats 3 and bakes with 4, so 16 - 3 - 4 = 9 are left.\n"
        "Each egg sells for $2, so she makes 9 + 2 = 11 dollars.\nThe answer is \\boxed{11}."
    )
    second = (
        "There are 16 eggs. She eats 3 and bakes with 4, so 16 - 3 - 4 = 9 are left.\n"
        "Each egg sells for $2, so she makes 9 * 2 = 18 dollars.\nThe answer is \\boxed{18}."
    )
    return {
        "method": "SCoRe",
        "seed": 2,
        "decoding": "greedy",
        "problem_id": "gsm8k-17",
        "prompt": "Janet's ducks lay 16 eggs a day. She eats 3 and bakes muffins with 4. The rest "
        "she sells at $2 an egg. How much does she make a day?",
        "reference": "18",
        "replies": [first, second],
        "answers": ["11", "18"],
        "reasons": ["wrong", "correct"],
        "scores": [0.0, 1.0],
        "transition": "i->c",
    }


def _method(rng: random.Random, name: str) -> dict[str, Any]:
    agent, oracle, trained, sampled, greedy = METHODS[name]
    shares = {"sampled": sampled, "greedy": greedy}
    return {
        "name": name,
        "agent": agent,
        "summary": f"{name}, as the paper describes it, on the tiny base of each seed.",
        "oracle": oracle,
        "trained": trained,
        "figures": {d: _figures(rng, *s, trained=trained) for d, s in shares.items()},
        "transitions": {d: _transitions(*s) for d, s in shares.items()},
        "edit_histogram": {d: _histogram(rng, *s) for d, s in shares.items()},
        "spent": {
            "episodes": 17920 if trained else 0,
            "tokens": 17920 * 10 if trained else 0,
            "training_seconds": rng.uniform(6, 20) if trained else 0.0,
            "seconds": 23.25,
        },
        "tokens": {d: {"episode": 9.5, "turns": [5.0, 4.5]} for d in shares},
        "curves": {str(s): _curve(rng, *sampled) for s in SEEDS} if trained else {},
        "scaling": _scaling(rng, *sampled) if name in ("base", "Pair-SFT", "SCoRe") else None,
    }


def figure(rng: random.Random, value: float, spread: float = 0.006) -> dict[str, Any]:
    """Return a figure around ``value``, with an interval and a value of each seed."""
    seeds = [min(max(value + rng.gauss(0, spread), -1.0), 1.0) for _ in SEEDS]
    mean = sum(seeds) / len(seeds)
    half = 1.2 * spread + 0.004
    return {"value": mean, "low": mean - half, "high": min(mean + half, 1.0), "seeds": seeds}


def _figures(
    rng: random.Random, t1: float, fixed: float, broken: float, *, trained: bool
) -> dict[str, Any]:
    kl = (0.02, 1.4) if trained else (None, None)
    return {
        "accuracy_t1": figure(rng, t1),
        "accuracy_t2": figure(rng, t1 + fixed - broken),
        "delta": figure(rng, fixed - broken),
        "delta_i_to_c": figure(rng, fixed, 0.002),
        "delta_c_to_i": figure(rng, broken, 0.0005),
        "unchanged_answers": figure(rng, 0.97 - fixed - broken),
        "edit_distance_ratio": figure(rng, 0.02 + 0.4 * (fixed + broken), 0.003),
        "kl_t1": figure(rng, kl[0]) if kl[0] else None,
        "kl_t2": figure(rng, kl[1], 0.05) if kl[1] else None,
    }


def _transitions(t1: float, fixed: float, broken: float) -> dict[str, float]:
    return {
        "c->c": t1 - broken,
        "i->c": fixed,
        "c->i": broken,
        "i->i": 1 - t1 - fixed - 0.002,
        "unjudged": 0.002,
    }


def _histogram(rng: random.Random, t1: float, fixed: float, broken: float) -> dict[str, Any]:
    moved = fixed + broken
    tail = [math.exp(-((i - 4) ** 2) / 6) for i in range(19)]
    counts = [10_000 * (1 - moved)] + [10_000 * moved * t / sum(tail) for t in tail]
    return {
        "edges": [i / 20 for i in range(21)],
        "counts": [round(c * rng.uniform(0.8, 1.2)) for c in counts],
    }


def _curve(rng: random.Random, t1: float, fixed: float, broken: float) -> list[dict[str, float]]:
    rows = []
    turn = rng.uniform(14, 24)
    for step in range(1, STEPS + 1):
        done = 1 / (1 + math.exp(-(step - turn) / 4))
        t2 = 0.257 + done * (t1 + fixed - broken - 0.257)
        rows.append(
            {
                "step": step,
                "episodes": 256 * step,
                "tokens": 2560 * step,
                "t1/accuracy": t1 + rng.gauss(0, 0.02),
                "t2/accuracy": min(t2 + rng.gauss(0, 0.02), 1.0),
                "t1/kl": 0.03 * done * rng.uniform(0.8, 1.2),
                "t2/kl": 1.5 * done * rng.uniform(0.9, 1.1),
                "unchanged": 0.7 + done * (0.27 - fixed) + rng.gauss(0, 0.01),
            }
        )
    return rows


def _scaling(rng: random.Random, t1: float, fixed: float, broken: float) -> dict[str, Any]:
    samples = [2, 4, 8, 16, 32]
    t2 = t1 + fixed - broken

    def grown(start: float, rate: float) -> list[dict[str, Any]]:
        return [
            figure(rng, 1 - (1 - start) * math.exp(-rate * i), 0.004) for i in range(len(samples))
        ]

    return {
        "samples": samples,
        "parallel": grown(t1, 0.02),
        "sequential": grown(t2, 0.03),
        "pass_parallel": grown(t1 + 0.1, 0.35),
        "pass_sequential": grown(max(t2, t1), 0.4),
    }


def _pair(
    rng: random.Random, first: dict[str, Any], second: dict[str, Any], decoding: str
) -> dict[str, Any]:
    values = [m["figures"][decoding]["accuracy_t2"]["value"] for m in (first, second)]
    difference = values[1] - values[0]
    discordant = round(PROBLEMS * max(abs(difference), 0.01) * 1.2) + rng.randrange(8)
    only_second = round((discordant + PROBLEMS * difference) / 2)
    only_second = min(max(only_second, 0), discordant)
    sigma = abs(2 * only_second - discordant) / math.sqrt(max(discordant, 1))
    return {
        "first": first["name"],
        "second": second["name"],
        "decoding": decoding,
        "difference": {"value": difference, "low": difference - 0.02, "high": difference + 0.02},
        "only_first": discordant - only_second,
        "only_second": only_second,
        "p_value": math.erfc(sigma / math.sqrt(2)),
        "problems": PROBLEMS,
    }


def _episode(rng: random.Random, name: str, decoding: str, transition: str) -> dict[str, Any]:
    digits = [rng.randrange(10) for _ in range(4)]
    signs = [rng.choice("+-*") for _ in range(3)]
    chain = str(digits[0]) + "".join(s + str(d) for s, d in zip(signs, digits[1:], strict=True))
    results, value = "", digits[0]
    for sign, digit in zip(signs, digits[1:], strict=True):
        value = {"+": value + digit, "-": value - digit, "*": value * digit}[sign] % 10
        results += str(value)
    answers = [
        str(value if letter == "c" else (value + rng.randrange(1, 10)) % 10)
        for letter in transition.split("->")
    ]
    return {
        "method": name,
        "seed": rng.choice(SEEDS),
        "decoding": decoding,
        "problem_id": chain,
        "prompt": chain + "=",
        "reference": str(value),
        "replies": [answer + results for answer in answers],
        "answers": answers,
        "reasons": ["correct" if letter == "c" else "wrong" for letter in transition.split("->")],
        "scores": [1.0 if letter == "c" else 0.0 for letter in transition.split("->")],
        "transition": transition,
    }
