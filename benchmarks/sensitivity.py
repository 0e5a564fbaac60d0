"""How much does each setting of SCoRe and of plain RL matter? One at a time, doubled and halved.

Every run has the settings that `tune.py` chose but for one, on three bases that no search used, and
is measured on test problems. A base arrives if Acc@t2 is at least 90%.

    python benchmarks/sensitivity.py --out runs/sensitivity
    python benchmarks/sensitivity.py --rows SCoRe --seeds 0

Resumable: each finished run is a line of runs.jsonl. Prints a table and writes sensitivity.svg.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from trials import Trial, run_trials

from selfcorrect_agents.training.config import flat, from_flat
from selfcorrect_agents.training.method_lookup import find_method

ARRIVAL = 0.9
"""Acc@t2 from which a base has arrived."""

FACTORS = {
    "multi-turn RL": ("learning_rate", "beta_1", "problems_per_step", "max_grad_norm"),
    "multi-turn RL, r2 alone": ("learning_rate", "beta_1", "problems_per_step", "max_grad_norm"),
    "SCoRe": (
        *("learning_rate", "stage_two_learning_rate", "beta_1", "beta_2", "alpha"),
        *("problems_per_step", "max_grad_norm", "stage_two_steps"),
    ),
}
"""Row of the settings -> the fields that are varied. More problems a step means fewer steps, since
all runs have the same number of episodes; more steps of stage II mean fewer of stage I."""

AS_CHOSEN = "as chosen"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which settings are varied, on what."""

    settings: str = "benchmarks/settings/arithmetic.json"
    """The settings that `tune.py` chose."""
    rows: tuple[str, ...] = tuple(FACTORS)
    """Rows of the settings."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Base models."""
    problems: int = 1000
    """Number of test problems."""
    jobs: int = 2
    """Number of processes that run at the same time."""
    out: str = "runs/sensitivity"
    """The output folder."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    found = json.loads(Path(options.settings).read_text())
    runs = {
        (row, name): [trial(options, found, row, learning, seed) for seed in options.seeds]
        for row in options.rows
        for name, learning in varied(row, found).items()
    }
    trials = [one for of_seeds in runs.values() for one in of_seeds]
    results = run_trials(trials, Path(options.out) / "runs.jsonl", jobs=options.jobs)
    values = {key: [results[one.key] for one in of_seeds] for key, of_seeds in runs.items()}
    print_table(options, values)
    draw(Path(options.out) / "sensitivity.svg", values)


def varied(row: str, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of a row by name: as chosen, then each field halved and doubled."""
    chosen = found["chosen"][row]
    method: Any = find_method(chosen["method"])
    episodes = found["options"]["episodes"]
    config = from_flat(method.Learning, chosen["learning"]).within(episodes)
    values = flat(config)
    settings = {AS_CHOSEN: chosen["learning"]}
    for field in FACTORS[row]:
        value = values[field]
        if not value:  # twice nothing is nothing
            continue
        for sign, factor in (("/ 2", 0.5), ("× 2", 2.0)):
            other = value * factor
            change: dict[str, Any] = {field: round(other) if isinstance(value, int) else other}
            if field == "stage_two_steps":
                steps = config.total_steps
                change["stage_one_steps"] = max(1, steps - change[field])
            settings[f"{field} {sign}"] = {**chosen["learning"], **change}
    return settings


def trial(
    options: Options, found: dict[str, Any], row: str, learning: dict[str, Any], seed: int
) -> Trial:
    searched = found["options"]
    return Trial(
        method=found["chosen"][row]["method"],
        model=searched["model"].format(seed=seed),
        env=searched["env"],
        split="test",
        episodes=searched["episodes"],
        learning={**learning, "seed": seed},
        problems=options.problems,
    )


def print_table(options: Options, values: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    table = Table(title=f"Acc@t1 → Acc@t2, percent, T = 1, {options.problems:,} test problems")
    for column in ("row", "setting", *(f"base {seed}" for seed in options.seeds), "arrived"):
        table.add_column(column)
    for (row, name), results in values.items():
        cells = [f"{100 * r['t1']:.1f} → {100 * r['t2']:.1f}" for r in results]
        arrived = sum(r["t2"] >= ARRIVAL for r in results)
        table.add_row(row, name, *cells, f"{arrived} of {len(results)}")
    Console(width=130).print(table)


def draw(path: Path, values: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Draw a panel for each row: Acc@t2 of every base against the setting."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "selfcorrect"
    from matplotlib import pyplot as plt

    rows = list(dict.fromkeys(row for row, _ in values))
    names = {row: [name for of, name in values if of == row] for row in rows}
    heights = [len(names[row]) for row in rows]
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(7, 0.24 * sum(heights) + 1.1 * len(rows)), sharex=True,
        gridspec_kw={"height_ratios": heights}, constrained_layout=True,
    )  # fmt: skip
    for axis, row in zip(np.atleast_1d(axes), rows, strict=True):
        for y, name in enumerate(names[row]):
            found = [100 * result["t2"] for result in values[row, name]]
            axis.plot(found, [y] * len(found), "o", ms=4, alpha=0.7, color="tab:blue")
        axis.axvline(100 * ARRIVAL, color="grey", lw=0.8, ls=":")
        axis.set_yticks(range(len(names[row])), names[row], fontsize=8)
        axis.invert_yaxis()
        axis.set_title(row, fontsize=9, loc="left")
        axis.set_xlim(0, 101)
    np.atleast_1d(axes)[-1].set_xlabel("Acc@t2 of each base, percent, T = 1")
    figure.savefig(path, metadata={"Date": None})
    print(f"Picture: {path}")


if __name__ == "__main__":
    main()
