"""When does which method work? A map over the prior of fixing and the reliability of the working.

Each cell of the map is a kind of base model: the share of second replies that fix in its
pre-training (`fix` of the tiny model), and the share of workings with a slip (`slips`). Its prior,
the share of wrong first answers that it fixes, is measured: a habit that is rarely taught is
hardly learned, and a reply that spoils is occasionally right by accident. Every method gets the
same number of episodes in every cell, with the settings that `tune.py` chose on another base. A
run has solved the task if Acc@t2 is at least 90% of the ceiling: the share of the base's first
replies whose working ends in the right digit.

    python benchmarks/phase_diagram.py --settings runs/tune/settings.json --out runs/phase
    python benchmarks/phase_diagram.py --fixes 0.1 --slips 0 --seeds 0        # one cell

Every cell has the bases of `--seeds`; the cells that the text argues from (`ARGUED`) have those of
`--more-seeds` as well.

Resumable: each finished run is a line of runs.jsonl, which `remedies.py` shares. Writes cells.csv
and phase-diagram.svg.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from phase_picture import draw
from rich import box
from rich.console import Console
from rich.table import Table
from trials import Trial, run_trials

from selfcorrect_agents.comparison.results.arrivals import episodes_to_arrival

SOLVED = 0.9
"""Share of the ceiling from which a run counts as solved."""

METHODS = {
    "multi-turn RL": "multi-turn RL",
    "multi-turn RL, r2 alone": "multi-turn RL, r2 alone",
    "SCoRe": "SCoRe",
    "SCoRe w/o stage I": "SCoRe",
    "STaR+": "STaR+",
    "Pair-SFT+": "Pair-SFT+",
}
"""Name on the map -> row of the settings."""

ARGUED = ((0.0, 0.0), (0.0, 0.3), (0.1, 0.15), (0.2, 0.3))
"""The cells that the text argues from: share of fixes taught, share of workings with a slip."""


@dataclass(frozen=True, kw_only=True)
class CellOptions:
    """Options of all runs in a cell of the map."""

    settings: str = "benchmarks/settings/arithmetic.json"
    """The settings that `tune.py` chose."""
    spoils: float = 0.04
    """Share of second replies that spoil in the pre-training of all bases; about a ninth of these
    is right by accident."""
    episodes: int = 40_960
    """Training budget of a run."""
    problems: int = 1000
    """Number of held-out problems to evaluate on."""
    jobs: int = 2
    """Number of processes that run at the same time."""
    out: str = "runs/phase"
    """The output folder."""


@dataclass(frozen=True, kw_only=True)
class Options(CellOptions):
    """The size of the map."""

    fixes: tuple[float, ...] = (0.0, 0.1, 0.2)
    """Shares of second replies that fix in the base's pre-training."""
    slips: tuple[float, ...] = (0.0, 0.15, 0.3)
    """Shares of the base's workings that contain a slip."""
    seeds: tuple[int, ...] = (0, 1)
    """Base models and runs of every cell."""
    more_seeds: tuple[int, ...] = (2, 3, 4)
    """Further ones of the cells that the text argues from."""

    def cells(self) -> list[tuple[float, float, int]]:
        """Return share of fixes, share of slips, and seed of every base."""
        return [
            (*cell, seed)
            for cell in product(self.fixes, self.slips)
            for seed in (*self.seeds, *(self.more_seeds if cell in ARGUED else ()))
        ]


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    chosen = json.loads(Path(options.settings).read_text())["chosen"]
    cells = options.cells()
    names = ("base", *METHODS)
    runs = {(name, *cell): trial(options, chosen, name, *cell) for cell in cells for name in names}
    results = run_trials(runs.values(), Path(options.out) / "runs.jsonl", jobs=options.jobs)
    found = {key: results[t.key] for key, t in runs.items()}
    rows = [row(key, found[key], found[("base", *key[1:])], options) for key in runs]
    write_csv(Path(options.out) / "cells.csv", rows)
    print_table(options, rows)
    draw(Path(options.out) / "phase-diagram.svg", rows)


def trial(
    options: Options, chosen: dict[str, Any], name: str, fix: float, slips: float, seed: int
) -> Trial:
    if name == "base":
        return in_cell(options, "base", {}, (fix, slips), seed)
    method, learning = chosen[METHODS[name]]["method"], chosen[METHODS[name]]["learning"]
    if name.endswith("w/o stage I"):
        learning = without_stage_one(learning)
    return in_cell(options, method, {**learning, "seed": seed}, (fix, slips), seed)


def in_cell(
    options: CellOptions,
    method: str,
    learning: dict[str, Any],
    cell: tuple[float, float],
    seed: int,
) -> Trial:
    """Return a run of a method on a base of a cell (share of fixes taught, share of slips)."""
    fix, slips = cell
    return Trial(
        method=method,
        model=base_model(fix, options.spoils, slips, seed),
        env="SelfCorrect-Arithmetic-v0",
        split="test",
        episodes=options.episodes,
        learning=learning,
        problems=options.problems,
    )


def base_model(fix: float, spoils: float, slips: float, seed: int) -> str:
    """Return the name of a cell's base model."""
    return f"tiny:seed={seed},fix={fix:g},copy={1 - fix - spoils:g},slips={slips:g}"


def without_stage_one(learning: dict[str, Any]) -> dict[str, Any]:
    """Return SCoRe's settings without stage I."""
    from selfcorrect_agents.methods.score import SCoReConfig
    from selfcorrect_agents.training.config import flat, from_flat

    return flat(from_flat(SCoReConfig, learning).without_stage_one())


def row(
    key: tuple[Any, ...], result: dict[str, Any], base: dict[str, Any], options: Options
) -> dict[str, Any]:
    name, fix, slips, seed = key
    ceiling = base["ends_right"]
    solved = result["t2"] >= SOLVED * ceiling
    return {
        "method": name,
        "fix": fix,
        "slips": slips,
        "seed": seed,
        "base_t1": base["t1"],
        "base_t2": base["t2"],
        "prior": base["i_to_c"] / (1 - base["t1"]),
        "ceiling": ceiling,
        "t1": result["t1"],
        "t2": result["t2"],
        "i_to_c": result["i_to_c"],
        "c_to_i": result["c_to_i"],
        "unchanged": result["unchanged"],
        "ends_right": result["ends_right"],
        "solved": solved,
        "episodes_to_solve": episodes_to_reach(result["curve"], SOLVED * ceiling) if solved else "",
        "outcome": "solved" if solved else failure(result, base),
    }


def episodes_to_reach(curve: list[list[float]], goal: float) -> float | str:
    """Return the episodes at which training Acc@t2, as a running mean, first reaches the goal."""
    log = [{"episodes": point[0], "t2/accuracy": point[2]} for point in curve]
    found = episodes_to_arrival(log, "t2/accuracy", goal)
    return "" if found is None else found  # imitation methods reach it with a fit


def failure(result: dict[str, Any], base: dict[str, Any]) -> str:
    """Return how a run that did not solve the task ended."""
    if result["i_to_c"] >= base["i_to_c"] + 0.05:
        return "part of the way"
    if result["unchanged"] >= min(0.95, base["unchanged"] + 0.1):
        return "copies"
    if result["t2"] < base["t2"] - 0.03:
        return "got worse"
    return "unmoved"


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def print_table(options: Options, rows: list[dict[str, Any]]) -> None:
    names = ["base", *METHODS]
    print(
        "Acc@t1/Acc@t2 (percent; mean over the bases), then solved runs; "
        f"{options.episodes:,} episodes, {options.problems:,} held-out problems, T = 1\n"
    )
    table = Table(box=box.MARKDOWN)
    for column in ("taught", "prior", "slips", "ceiling", *names):
        table.add_column(column)
    for fix, slips in product(options.fixes, options.slips):
        cells = []
        for name in names:
            of = select(rows, name, fix, slips)
            text = f"{100 * mean(of, 't1'):.0f}/{100 * mean(of, 't2'):.0f}"
            won = sum(r["solved"] for r in of)
            cells.append(text if name == "base" else f"{text}, {won} of {len(of)}")
        base = select(rows, "base", fix, slips)
        labels = (f"{100 * fix:g}%", f"{100 * mean(base, 'prior'):.1f}%", f"{100 * slips:g}%")
        table.add_row(*labels, f"{100 * mean(base, 'ceiling'):.0f}", *cells)
    Console(width=170).print(table)


def select(rows: list[dict[str, Any]], name: str, fix: float, slips: float) -> list[dict[str, Any]]:
    return [r for r in rows if (r["method"], r["fix"], r["slips"]) == (name, fix, slips)]


def mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([r[key] for r in rows]))


if __name__ == "__main__":
    main()
