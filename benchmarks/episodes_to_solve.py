"""After how many training episodes does each method of a comparison solve the task?

    python benchmarks/episodes_to_solve.py runs/arithmetic  # a folder of `selfcorrect compare`

For every method and seed: the episodes at which the running mean of training Acc@t2 (over the last
4% of its run) first reaches the goal. The accuracies are those of training, at T = 1; imitation
methods have one point per fit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Options:
    """When the task counts as solved."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a comparison."""
    goal: float = 0.9
    """Acc@t2 in training at which the task counts as solved, in (0, 1]."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    found = json.loads((options.run / "comparison.json").read_text("utf-8"))
    table = Table(title=f"Episodes until Acc@t2 ≥ {options.goal:.0%} in training; – never")
    table.add_column("method")
    for seed in found["seeds"]:
        table.add_column(f"seed {seed}", justify="right")
    table.add_column("solved", justify="right")
    for method in found["methods"]:
        curves = method["curves"]  # by seed
        if not curves:
            continue
        when = [episodes_to_solve(curves[str(seed)], options.goal) for seed in found["seeds"]]
        cells = ["–" if w is None else f"{w:,.0f}" for w in when]
        table.add_row(method["name"], *cells, f"{sum(w is not None for w in when)}/{len(when)}")
    Console(width=110).print(table)


def episodes_to_solve(curve: list[dict[str, Any]], goal: float) -> float | None:
    """Return the episodes at which the running mean of Acc@t2 first reaches the goal."""
    points = [row for row in curve if row.get("t2/accuracy") is not None]
    values = np.array([row["t2/accuracy"] for row in points])
    window = max(1, round(0.04 * len(values)))
    for i in range(window - 1, len(values)):
        if values[i - window + 1 : i + 1].mean() >= goal:
            return float(points[i]["episodes"])
    return None


if __name__ == "__main__":
    main()
