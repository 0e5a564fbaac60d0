"""What helps in the corners of the map where no run solves the task, or where the ceiling is low?

Two corners of `phase_diagram.py`'s map. *Rare*: no second reply of the pre-training fixes, so a
fix is an accident, and reinforcement learning ends in copies. *Slips*: the base fixes often, but
three in ten workings contain a slip, so the ceiling is low. Each remedy changes one thing of the
row above it, whose settings `tune.py` chose, and has the same budget of episodes. Where γ is
compared, each row says its own: the search may have chosen any.

    python benchmarks/remedies.py --out runs/phase
    python benchmarks/remedies.py --corners slips --seeds 0

Resumable: each finished run is a line of runs.jsonl, which `phase_diagram.py` shares. Prints
Acc@t1/Acc@t2 (percent, T = 1) of every base, the share of first replies whose working ends right,
and how many runs solved the task, that is, reached 90% of the *base's* ceiling.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from phase_diagram import SOLVED, CellOptions, in_cell, without_stage_one
from rich import box
from rich.console import Console
from rich.table import Table
from trials import Trial, run_trials

CORNERS = {"rare": (0.0, 0.0), "slips": (0.2, 0.3)}
"""Name -> share of fixes taught, share of workings with a slip."""

Remedy = tuple[str, dict[str, Any]]
"""The row of the settings, and the fields that are changed."""

REMEDIES: dict[str, dict[str, Remedy]] = {
    "rare": {
        "multi-turn RL": ("multi-turn RL", {}),
        "… r2 alone": ("multi-turn RL", {"first_scale": 0.0}),
        "SCoRe": ("SCoRe", {}),
        "… without stage I": ("SCoRe", {"stage_one_steps": 0}),
        "… β₁ = 0.5": ("SCoRe", {"beta_1": 0.5}),
        "… at T = 1.5": ("SCoRe", {"temperature": 1.5}),
        "… 2 problems × 32 samples": ("SCoRe", {"problems_per_step": 2, "samples": 32}),
        "… dynamic sampling, 4 ×": ("SCoRe", {"oversample": 4}),
        "Pair-SFT+": ("Pair-SFT+", {}),
    },
    "slips": {
        "multi-turn RL, γ = 0": ("multi-turn RL", {"gamma": 0.0}),
        "… γ = 0.5": ("multi-turn RL", {"gamma": 0.5}),
        "… γ = 1": ("multi-turn RL", {"gamma": 1.0}),
        "SCoRe": ("SCoRe", {}),
        "… without stage I": ("SCoRe", {"stage_one_steps": 0}),
        "Pair-SFT+": ("Pair-SFT+", {}),
    },
}
"""Corner -> name of a row -> what is trained."""


@dataclass(frozen=True, kw_only=True)
class Options(CellOptions):
    """Which remedies are run."""

    corners: tuple[str, ...] = tuple(CORNERS)
    """Corners to run: rare, slips."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Base models and runs of each corner."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    chosen = json.loads(Path(options.settings).read_text())["chosen"]
    rows = {
        (corner, name): [trial(options, chosen, corner, remedy, seed) for seed in options.seeds]
        for corner in options.corners
        for name, remedy in ({"base": ("base", {})} | REMEDIES[corner]).items()
    }
    trials = [one for row in rows.values() for one in row]
    results = run_trials(trials, Path(options.out) / "runs.jsonl", jobs=options.jobs)
    for corner in options.corners:
        found = {
            name: [results[one.key] for one in row]
            for (c, name), row in rows.items()
            if c == corner
        }
        fix, slips = CORNERS[corner]
        print(f"\n{corner}: {fix:.0%} of fixes taught, {slips:.0%} of workings slip\n")
        Console(width=160).print(table(options, found))


def trial(
    options: Options, chosen: dict[str, Any], corner: str, remedy: Remedy, seed: int
) -> Trial:
    row, changes = remedy
    if row == "base":
        return in_cell(options, "base", {}, CORNERS[corner], seed)
    method, learning = chosen[row]["method"], chosen[row]["learning"]
    if changes.get("stage_one_steps") == 0:
        learning = without_stage_one(learning)
    changed = {**learning, "seed": seed, **changes}
    return in_cell(options, method, changed, CORNERS[corner], seed)


def table(options: Options, found: dict[str, list[dict[str, Any]]]) -> Table:
    """Return a Markdown table of a corner's rows."""
    table = Table(box=box.MARKDOWN)
    columns = [f"seed {seed}" for seed in options.seeds]
    for column in ("", *columns, "working ends right", "same answer", "solved"):
        table.add_column(column, justify="left" if not column else "right")
    ceilings = [result["ends_right"] for result in found["base"]]
    for name, row in found.items():
        solved = sum(r["t2"] >= SOLVED * c for r, c in zip(row, ceilings, strict=True))
        table.add_row(
            name,
            *(f"{100 * r['t1']:.1f}/{100 * r['t2']:.1f}" for r in row),
            f"{100 * np.mean([r['ends_right'] for r in row]):.1f}",
            f"{100 * np.mean([r['unchanged'] for r in row]):.0f}",
            f"{solved} of {len(row)}",
        )
    return table


if __name__ == "__main__":
    main()
