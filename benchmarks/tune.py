"""The same random search for every method, on tuning bases and the validation split.

The protocol, the same for every row of `SPACES`:

- The same number of settings, each drawn at random from the row's ranges by one seeded generator.
  No row has a first guess, and none takes a value from another row.
- Every setting runs on every tuning base: models that no comparison uses.
- The setting with the highest mean over the bases of Acc@t1 + Acc@t2 wins, on validation problems
  that are neither trained on nor in a table. That is the return of the paper's equation 1; ranked
  by Acc@t2 alone, a setting would win that spoils its first attempts.
- All trials are kept in trials.jsonl, the chosen settings in settings.json.

Learning rates and KL coefficients are drawn log-uniformly, everything else from a list. Ablations
and controls are no rows: they take SCoRe's settings but for what they change.

    python benchmarks/tune.py --out runs/tune                      # all rows, 20 settings each
    python benchmarks/tune.py --rows SCoRe STaR+ --trials 4
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from trials import Trial, run_trials

RATES = (1e-4, 2e-3)
"""Learning rates of reinforcement learning."""

FIT_RATES = (5e-5, 2e-3)
"""Learning rates of imitation."""

BETAS = (0.005, 0.5)
"""KL coefficients."""

CLIPS = [0.3, 1.0, 0.0]
"""Norms that gradients are clipped to; 0 clips nothing."""

Values: TypeAlias = "tuple[float, float] | list[Any]"
"""Ends of a log-uniform range, or a list to choose from."""

REINFORCED: dict[str, Values] = {
    "problems_per_step": [8, 16, 32],
    "learning_rate": RATES,
    "beta_1": BETAS,
    "max_grad_norm": CLIPS,
}
"""What all rows of reinforcement learning search."""

IMITATED: dict[str, Values] = {
    "learning_rate": FIT_RATES,
    "batch_size": [32, 64, 128],
    "max_grad_norm": CLIPS,
}
"""What all rows of imitation search."""

FIRST_REPLIES = ["never", "right", "always"]


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is searched for a row."""

    method: str
    """The method's name."""
    fixed: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields that make the row what it is."""
    searched: dict[str, Values]
    """Field -> its values."""


SPACES: dict[str, Space] = {
    "single-turn RL": Space(method="single_turn_rl", searched=REINFORCED),
    "multi-turn RL": Space(
        method="multiturn_rl", searched={**REINFORCED, "gamma": [0.0, 0.5, 1.0]}
    ),
    "multi-turn RL, r2 alone": Space(
        method="multiturn_rl",
        fixed={"first_scale": 0.0},
        searched={**REINFORCED, "gamma": [0.0, 0.5, 1.0]},
    ),
    "SCoRe": Space(
        method="score",
        searched={
            **REINFORCED,
            "gamma": [0.0, 0.5, 1.0],
            "stage_two_learning_rate": RATES,
            "beta_2": BETAS,
            "alpha": [1.0, 3.0, 10.0, 20.0],
            "stages": [(50, 50), (75, 25), (90, 10)],
        },
    ),
    "STaR": Space(
        method="star",
        searched={
            **IMITATED,
            "first_reply": ["never", "always"],  # no first reply is right in D_STaR
            "epochs": [0, 1, 3],
            "restart": [False, True],
        },
    ),
    "STaR+": Space(
        method="star",
        fixed={"plus": True},
        searched={
            **IMITATED,
            "first_reply": FIRST_REPLIES,
            "epochs": [0, 1, 3],
            "restart": [False, True],
        },
    ),
    "Pair-SFT": Space(method="sft", fixed={"first_reply": "never", "epochs": 1}, searched=IMITATED),
    "Pair-SFT, first replies too": Space(
        method="sft",
        fixed={"first_reply": "always"},
        searched={**IMITATED, "epochs": [0, 1, 3]},
    ),
    "Pair-SFT+": Space(
        method="sft",
        fixed={"plus": True, "first_reply": "never", "epochs": 1},
        searched=IMITATED,
    ),
    "Pair-SFT+, right first replies too": Space(
        method="sft",
        fixed={"plus": True, "first_reply": "right"},
        searched={**IMITATED, "epochs": [0, 1, 3]},
    ),
    "RISE": Space(
        method="rise",
        searched={
            **IMITATED,
            "first_reply": FIRST_REPLIES,
            "epochs": [0, 1, 3],
            "iterations": [3, 6, 12],
            "weight_temperature": [0.1, 0.3, 1.0],
        },
    ),
}
"""Row -> what is searched for it. The paper's Pair-SFT has loss on second replies alone, for one
epoch (section 4): so do these rows, and loss on first replies is a row of its own. In D_SFT every
first reply is wrong, in D⁺_SFT the right ones can be told apart."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Size and environment of the search."""

    rows: tuple[str, ...] = tuple(SPACES)
    """Rows to search settings for."""
    trials: int = 20
    """Number of settings for each row."""
    seeds: tuple[int, ...] = (100, 101)
    """Tuning bases: models that no comparison uses."""
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
    unknown = set(options.rows) - set(SPACES)
    if unknown:
        raise SystemExit(f"No such row: {', '.join(unknown)}; the rows are {', '.join(SPACES)}.")
    drawn = {row: draw(row, options.trials) for row in options.rows}
    # one setting of every row after another, so that a search that is stopped has some of each
    trials = [
        trial(options, row, drawn[row][i], seed)
        for i in range(options.trials)
        for row in drawn
        for seed in options.seeds
    ]
    results = run_trials(trials, Path(options.out) / "trials.jsonl", jobs=options.jobs)
    report(options, drawn, results)


def draw(row: str, count: int) -> list[dict[str, Any]]:
    """Return ``count`` random settings of a row, the same at each call.

    A smaller ``count`` gives the first of them.
    """
    space = SPACES[row]
    rng = np.random.default_rng([7, *row.encode()])
    found = []
    for _ in range(count):
        setting = dict(space.fixed)
        for name, values in space.searched.items():
            value = drawn_value(values, rng)
            if name == "stages":
                setting |= {"stage_one_steps": value[0], "stage_two_steps": value[1]}
            else:
                setting[name] = value
        found.append(setting)
    return found


def drawn_value(values: Values, rng: np.random.Generator) -> Any:
    """Return one of a list, or a number of a log-uniform range with two significant digits."""
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    low, high = np.log(values)
    return float(f"{np.exp(rng.uniform(low, high)):.2g}")


def score(result: dict[str, Any]) -> float:
    """Return the criterion of the search: the mean return of equation 1, in [0, 2]."""
    return result["t1"] + result["t2"]


def trial(options: Options, row: str, setting: dict[str, Any], seed: int) -> Trial:
    return Trial(
        method=SPACES[row].method,
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
    results: dict[str, dict[str, Any]],
) -> None:
    """Print every setting with its results and write the chosen ones."""
    table = Table(title=f"{options.env}, validation split, {options.episodes:,} episodes, T = 1")
    for column in ("row", "setting", *(f"t1/t2, base {s}" for s in options.seeds), "chosen"):
        table.add_column(column)
    chosen = {}
    for row, settings in drawn.items():
        found = [
            [results[trial(options, row, setting, seed).key] for seed in options.seeds]
            for setting in settings
        ]
        means = [np.mean([score(result) for result in of_bases]) for of_bases in found]
        best = int(np.argmax(means))
        chosen[row] = {"method": SPACES[row].method, "learning": settings[best]}
        for i, (setting, of_bases) in enumerate(zip(settings, found, strict=True)):
            cells = [f"{100 * r['t1']:.1f}/{100 * r['t2']:.1f}" for r in of_bases]
            text = ", ".join(f"{k}={v}" for k, v in setting.items())
            table.add_row(row, text, *cells, "✓" if i == best else "")
        table.add_section()
    Console(width=150).print(table)
    out = Path(options.out) / "settings.json"
    out.write_text(
        json.dumps({"options": dataclasses.asdict(options), "chosen": chosen}, indent=2) + "\n"
    )
    print(f"Chosen settings: {out}")


if __name__ == "__main__":
    main()
