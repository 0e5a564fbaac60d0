"""The same random search for every method, on tuning seeds and the validation split.

All methods get the same number of trials, drawn from their own spaces below by one seeded
generator. All settings run on the first tuning seed, the best few on the others. The setting with
the highest mean of Acc@t1 + Acc@t2 wins, the return that the paper's equation 1 maximises; ranked
by Acc@t2 alone, a setting would win that spoils its first attempts. The search never uses test
problems or the seeds of the comparisons.

    python benchmarks/tune.py --out runs/tune                      # all methods
    python benchmarks/tune.py --methods score star --trials 4
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from trials import Trial, run_trials

from selfcorrect_agents.training.config import flat, from_flat
from selfcorrect_agents.training.method_lookup import find_method

RATES = [3e-4, 5e-4, 1e-3]
FIT_RATES = [1e-4, 3e-4, 1e-3]
BETAS = [0.0, 0.02, 0.05, 0.1, 0.2, 0.5]
PROBLEMS = [8, 16]
FIRST = ["never", "right", "always"]
START = {"problems_per_step": 8, "learning_rate": 5e-4, "beta_1": 0.15}
"""The first setting in the search of every RL method: small steps, and the KL coefficient that has
always been SCoRe's default on this task."""

SPACES: dict[str, tuple[str, dict[str, Any], dict[str, list[Any]]]] = {
    # label: (method, fields of the first trial, field -> values that the others draw from)
    "multiturn_rl": (
        "multiturn_rl",
        START,
        {"problems_per_step": PROBLEMS, "learning_rate": RATES, "beta_1": BETAS},
    ),
    "single_turn_rl": (
        "single_turn_rl",
        START,
        {"problems_per_step": PROBLEMS, "learning_rate": RATES, "beta_1": BETAS},
    ),
    "score": (
        "score",
        START,
        {
            "problems_per_step": PROBLEMS,
            "learning_rate": RATES,
            "stage_two_learning_rate": [1e-4, 3e-4],
            "beta_1": [0.05, 0.1, 0.15, 0.3],
            "beta_2": [0.05, 0.15, 0.5],
            "stages": [(50, 50), (75, 25), (90, 10)],
        },
    ),
    "star": ("star", {}, {"learning_rate": FIT_RATES, "first_reply": FIRST, "restart": [0, 1]}),
    "star+": (
        "star",
        {"plus": True},
        {"learning_rate": FIT_RATES, "first_reply": FIRST, "restart": [0, 1]},
    ),
    "sft": ("sft", {}, {"learning_rate": FIT_RATES, "first_reply": FIRST, "batch_size": [32, 128]}),
    "sft+": (
        "sft",
        {"plus": True},
        {"learning_rate": FIT_RATES, "first_reply": FIRST, "batch_size": [32, 128]},
    ),
    "rise": (
        "rise",
        {},
        {
            "learning_rate": FIT_RATES,
            "first_reply": FIRST,
            "iterations": [3, 6, 12],
            "weight_temperature": [0.1, 0.3, 1.0],
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Size and environment of the search."""

    methods: tuple[str, ...] = tuple(SPACES)
    """Methods to search settings for."""
    trials: int = 6
    """Number of settings for each method."""
    finalists: int = 2
    """How many of them run on the other tuning seeds."""
    seeds: tuple[int, ...] = (100, 101)
    """Tuning seeds: base models that no comparison uses."""
    model: str = "tiny:seed={seed}"
    """The base model."""
    env: str = "SelfCorrect-Arithmetic-v0"
    """The environment; its validation split is used."""
    episodes: int = 40_960
    """Training budget of every trial."""
    problems: int = 1000
    """Number of problems of the validation split to evaluate on."""
    jobs: int = 2
    """Number of processes that run at the same time."""
    out: str = "runs/tune"
    """The folder for trials.jsonl and settings.json."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    path = Path(options.out) / "trials.jsonl"
    drawn = {label: draw(label, options.trials) for label in options.methods}
    first, *others = options.seeds
    trials = [trial(options, label, s, first) for label in drawn for s in drawn[label]]
    results = run_trials(trials, path, jobs=options.jobs)
    best: dict[str, list[dict[str, Any]]] = {}
    for label, settings in drawn.items():
        ranked = sorted(
            settings, key=lambda s: -score(results[trial(options, label, s, first).key])
        )
        best[label] = ranked[: options.finalists]
    more = [
        trial(options, label, s, seed) for label in best for s in best[label] for seed in others
    ]
    results = run_trials(more, path, jobs=options.jobs)
    report(options, drawn, best, results)


def draw(label: str, count: int) -> list[dict[str, Any]]:
    """Return ``count`` settings with different effects: the default, then random ones."""
    _, fixed, space = SPACES[label]
    rng = np.random.default_rng([7, *label.encode()])
    found: list[dict[str, Any]] = [dict(fixed)]
    while len(found) < count:
        setting = dict(fixed)
        for name, values in space.items():
            value = values[rng.integers(len(values))]
            if name == "stages":
                setting |= {"stage_one_steps": value[0], "stage_two_steps": value[1]}
            else:
                setting[name] = bool(value) if name == "restart" else value
        if effect(label, setting) not in [effect(label, other) for other in found]:
            found.append(setting)
    return found


def effect(label: str, setting: dict[str, Any]) -> dict[str, Any]:
    """Return the whole configuration; it is equal for settings that train in the same way."""
    method: Any = find_method(SPACES[label][0])
    config = flat(from_flat(method.Learning, setting))
    if config.get("first_reply") == "right" and config.get("plus") is False:
        config["first_reply"] = "never"  # D_STaR and D_SFT contain no right first reply
    return config


def score(result: dict[str, Any]) -> float:
    """Return the criterion of the search: the mean return of equation 1, in [0, 2]."""
    return result["t1"] + result["t2"]


def trial(options: Options, label: str, setting: dict[str, Any], seed: int) -> Trial:
    return Trial(
        method=SPACES[label][0],
        model=options.model.format(seed=seed),
        env=options.env,
        split="validation",
        episodes=options.episodes,
        learning={**setting, "seed": seed},
        problems=options.problems,
    )


def report(
    options: Options,
    drawn: dict[str, list[dict[str, Any]]],
    best: dict[str, list[dict[str, Any]]],
    results: dict[str, dict[str, Any]],
) -> None:
    """Print every setting with its results and write the chosen ones."""
    table = Table(title=f"{options.env}, validation split, {options.episodes:,} episodes, T = 1")
    for column in ("method", "setting", *(f"t1/t2, seed {s}" for s in options.seeds), "chosen"):
        table.add_column(column)
    chosen = {}
    for label, settings in drawn.items():
        means = {
            json.dumps(s): np.mean(
                [score(results[trial(options, label, s, seed).key]) for seed in options.seeds]
            )
            for s in best[label]
        }
        winner = max(means, key=lambda s: means[s])
        chosen[label] = json.loads(winner)
        for s in settings:
            cells = []
            for seed in options.seeds:
                found = results.get(trial(options, label, s, seed).key)
                cells.append(f"{100 * found['t1']:.1f}/{100 * found['t2']:.1f}" if found else "–")
            text = ", ".join(f"{k}={v}" for k, v in s.items()) or "default"
            table.add_row(label, text, *cells, "✓" if json.dumps(s) == winner else "")
        table.add_section()
    Console(width=150).print(table)
    out = Path(options.out) / "settings.json"
    out.write_text(
        json.dumps({"options": dataclasses.asdict(options), "chosen": chosen}, indent=2) + "\n"
    )
    print(f"Chosen settings: {out}")


if __name__ == "__main__":
    main()
