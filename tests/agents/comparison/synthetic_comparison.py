"""A comparison as comparison.json holds it, drawn at random around plausible values."""

from __future__ import annotations

import math
import random
from itertools import combinations
from typing import Any

from selfcorrect_agents.comparison.plan.typed_values import build
from selfcorrect_agents.comparison.report.sections.episodes import ShownEpisode
from selfcorrect_agents.comparison.results.comparison import MethodComparison
from selfcorrect_env.types import Attempt, Episode, Problem, Reason, Verdict

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


def read(as_json: dict[str, Any]) -> MethodComparison:
    """Return the comparison that ``as_json`` holds."""
    return build(MethodComparison, as_json, "synthetic")


def comparison(seed: int = 0, attempts: int = 2) -> dict[str, Any]:
    """Return the content of a comparison.json."""
    rng = random.Random(seed)
    methods = [_method(rng, name, attempts) for name in METHODS]
    return {
        "title": "Seven methods on three-operation chains",
        "created": "2025-11-24T18:03:11+00:00",
        "measured": {
            "problem_set": "arithmetic",
            "split": "test",
            "fingerprint": "1c999acd5a4031c9",
            "size": 4000,
            "problems": PROBLEMS,
            "verifier": "exact",
            "prompts": "arithmetic",
            "attempts": attempts,
        },
        "model": "tiny:seed={seed},hidden_size=64",
        "device": "cpu",
        "max_new_tokens": 16,
        "train": {"id": "SelfCorrect-Arithmetic-v0", "options": {"split": "train"}},
        "test": {"id": "SelfCorrect-Arithmetic-v0", "options": {"split": "test"}},
        "episodes": 17920,
        "seeds": SEEDS,
        "decodings": ["sampled", "greedy"],
        "base": "base",
        "reference": "SCoRe",
        "scaling": {"n": 200, "samples": 32, "temperature": 0.7, "methods": None},
        "intervals": "mean ± t",
        "test_of_pairs": "a t test",
        "notes": [],
        "left_out": [],
        "methods": methods,
        "pairs": [
            _pair(rng, first, second, decoding)
            for decoding in ("sampled", "greedy")
            for first, second in combinations(methods, 2)
        ],
    }


def episodes(seed: int = 0, each: int = 4) -> list[ShownEpisode]:
    """Return a sample of episodes: ``each`` for every method, decoding and transition."""
    rng = random.Random(seed)
    return [
        _episode(rng, name, decoding, transition)
        for name in METHODS
        for decoding in ("sampled", "greedy")
        for transition in ("i->c", "c->i", "c->c", "i->i")
        for _ in range(each)
    ]


def shown(
    method: str,
    seed: int,
    decoding: str,
    problem: tuple[str, str, str],
    replies: list[str],
    answers: list[str | None],
    correct: list[bool | None],
) -> ShownEpisode:
    """Return an episode; ``problem`` is (id, prompt, reference), None is not judged."""
    reasons = {True: Reason.CORRECT, False: Reason.WRONG, None: Reason.ERROR}
    attempts = tuple(
        Attempt(reply=reply, verdict=Verdict(1.0 if right else 0.0, reasons[right], answer))
        for reply, answer, right in zip(replies, answers, correct, strict=True)
    )
    id, prompt, reference = problem
    given = Problem(id=id, prompt=prompt, reference=reference)
    return ShownEpisode(
        method, seed, decoding, Episode(problem=given, attempts=attempts, conversation=())
    )


def worked_episode() -> ShownEpisode:
    """Return an episode with replies in words, of which the second changes a line."""
    first = (
        "There are 16 eggs. She eats 3 and bakes with 4, so 16 - 3 - 4 = 9 are left.\n"
        "Each egg sells for $2, so she makes 9 + 2 = 11 dollars.\nThe answer is \\boxed{11}."
    )
    second = (
        "There are 16 eggs. She eats 3 and bakes with 4, so 16 - 3 - 4 = 9 are left.\n"
        "Each egg sells for $2, so she makes 9 * 2 = 18 dollars.\nThe answer is \\boxed{18}."
    )
    prompt = (
        "Janet's ducks lay 16 eggs a day. She eats 3 and bakes muffins with 4. The rest she sells "
        "at $2 an egg. How much does she make a day?"
    )
    problem = ("gsm8k-17", prompt, "18")
    return shown("SCoRe", 2, "greedy", problem, [first, second], ["11", "18"], [False, True])


def _method(rng: random.Random, name: str, attempts: int) -> dict[str, Any]:
    agent, oracle, trained, sampled, greedy = METHODS[name]
    shares = {"sampled": sampled, "greedy": greedy}
    return {
        "name": name,
        "agent": agent,
        "summary": f"{name}, as the paper describes it, on the tiny base of each seed.",
        "oracle": oracle,
        "instrument": False,
        "trained": trained,
        "learning": {},
        "play": {},
        "metrics": {d: _metrics(rng, *s, attempts) for d, s in shares.items()},
        "kl": [metric(rng, 0.02 + 1.4 * turn, 0.01) for turn in range(attempts)] if trained else [],
        "spent": {
            "episodes": 17920 if trained else 0,
            "tokens": 17920 * 10 if trained else 0,
            "training_seconds": rng.uniform(6, 20) if trained else 0.0,
            "seconds": 23.25,
        },
        "curves": {str(s): _curve(rng, *sampled, attempts) for s in SEEDS} if trained else {},
        "scaling": _scaling(rng, *sampled) if name in ("base", "Pair-SFT", "SCoRe") else None,
    }


def metric(rng: random.Random, value: float, spread: float = 0.006) -> dict[str, Any]:
    """Return a metric around ``value``, with an interval and a value for each seed."""
    seeds = [min(max(value + rng.gauss(0, spread), -1.0), 1.0) for _ in SEEDS]
    mean = sum(seeds) / len(seeds)
    half = 1.2 * spread + 0.004
    return {"value": mean, "low": mean - half, "high": min(mean + half, 1.0), "seeds": seeds}


def _metrics(
    rng: random.Random, t1: float, fixed: float, broken: float, attempts: int
) -> dict[str, Any]:
    last = t1 + fixed - broken
    steps = max(attempts - 1, 1)
    metrics: dict[str, Any] = {
        "accuracy": [metric(rng, t1 + (last - t1) * turn / steps) for turn in range(attempts)],
        "mean_score": [],
        "transitions": _transitions(t1, fixed, broken),
        "edit_histogram": None,
        "tokens": [5.0, *[4.5] * (attempts - 1)],
    }
    if attempts == 1:
        return metrics
    return metrics | {
        "delta": metric(rng, fixed - broken),
        "successive": [
            metric(rng, (fixed - broken) / steps) for _ in range(steps if attempts > 2 else 0)
        ],
        "delta_i_to_c": metric(rng, fixed, 0.002),
        "delta_c_to_i": metric(rng, broken, 0.0005),
        "unchanged_answers": metric(rng, 0.97 - fixed - broken),
        "edit_distance_ratio": metric(rng, 0.02 + 0.4 * (fixed + broken), 0.003),
        "edit_histogram": _histogram(rng, fixed, broken),
    }


def _transitions(t1: float, fixed: float, broken: float) -> dict[str, float]:
    return {
        "c->c": t1 - broken,
        "i->c": fixed,
        "c->i": broken,
        "i->i": 1 - t1 - fixed - 0.002,
        "unjudged": 0.002,
    }


def _histogram(rng: random.Random, fixed: float, broken: float) -> dict[str, Any]:
    moved = fixed + broken
    tail = [math.exp(-((i - 4) ** 2) / 6) for i in range(19)]
    counts = [10_000 * (1 - moved)] + [10_000 * moved * t / sum(tail) for t in tail]
    return {
        "edges": [i / 20 for i in range(21)],
        "counts": [round(c * rng.uniform(0.8, 1.2)) for c in counts],
    }


def _curve(
    rng: random.Random, t1: float, fixed: float, broken: float, attempts: int
) -> list[dict[str, float]]:
    rows = []
    turn = rng.uniform(14, 24)
    for step in range(1, STEPS + 1):
        done = 1 / (1 + math.exp(-(step - turn) / 4))
        last = 0.257 + done * (t1 + fixed - broken - 0.257)
        row: dict[str, float] = {"step": step, "episodes": 256 * step, "tokens": 2560 * step}
        for t in range(1, attempts + 1):
            accuracy = t1 if t == 1 else last
            row[f"t{t}/accuracy"] = min(accuracy + rng.gauss(0, 0.02), 1.0)
            row[f"t{t}/kl"] = (0.03 if t == 1 else 1.5) * done * rng.uniform(0.8, 1.2)
        rows.append(row | {"unchanged": 0.7 + done * (0.27 - fixed) + rng.gauss(0, 0.01)})
    return rows


def _scaling(rng: random.Random, t1: float, fixed: float, broken: float) -> dict[str, Any]:
    replies = [2, 4, 8, 16, 32]
    t2 = t1 + fixed - broken

    def grown(start: float, rate: float) -> list[dict[str, Any]]:
        return [
            metric(rng, 1 - (1 - start) * math.exp(-rate * i), 0.004) for i in range(len(replies))
        ]

    return {
        "replies": replies,
        "parallel": grown(t1, 0.02),
        "sequential": grown(t2, 0.03),
        "pass_parallel": grown(t1 + 0.1, 0.35),
        "pass_sequential": grown(max(t2, t1), 0.4),
    }


def _pair(
    rng: random.Random, first: dict[str, Any], second: dict[str, Any], decoding: str
) -> dict[str, Any]:
    values = [m["metrics"][decoding]["accuracy"][-1]["value"] for m in (first, second)]
    difference = values[1] - values[0]
    discordant = round(PROBLEMS * max(abs(difference), 0.01) * 1.2) + rng.randrange(8)
    only_second = round((discordant + PROBLEMS * difference) / 2)
    only_second = min(max(only_second, 0), discordant)
    sigma = abs(2 * only_second - discordant) / math.sqrt(max(discordant, 1))
    return {
        "first": first["name"],
        "second": second["name"],
        "decoding": decoding,
        "difference": {
            "value": difference,
            "low": difference - 0.02,
            "high": difference + 0.02,
            "seeds": [difference] * len(SEEDS),
        },
        "only_first": discordant - only_second,
        "only_second": only_second,
        "p_value": math.erfc(sigma / math.sqrt(2)),
        "problems": PROBLEMS,
    }


def _episode(rng: random.Random, name: str, decoding: str, transition: str) -> ShownEpisode:
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
    correct: list[bool | None] = [letter == "c" for letter in transition.split("->")]
    problem = (chain, chain + "=", str(value))
    replies = [answer + results for answer in answers]
    return shown(name, rng.choice(SEEDS), decoding, problem, replies, [*answers], correct)
