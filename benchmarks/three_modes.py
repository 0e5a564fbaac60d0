"""The collapse in three numbers: what the exact gradient does to keeping, fixing and spoiling.

A second reply keeps the first answer, fixes it or spoils it, with probabilities that don't depend
on whether the first one was right: the base does not check. Keeping is then worth p = Acc@t1,
fixing q (how often a fix is right), spoiling 0. Gradient ascent on the expected reward less
β KL(π ‖ base) over the three logits, from the base's probabilities; nothing is sampled.

    python benchmarks/three_modes.py

For each prior of fixing: how far keeping rises before fixing wins, after how many steps fixing has
90%, and where the KL ends it: for a policy that cannot tell right first answers from wrong ones,
and among wrong ones alone, for one that can (there p = 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

SPOIL, RIGHT = 0.04, 0.4
"""The map's bases: how often a second reply spoils, and Acc@t1."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """What came of an ascent."""

    most_kept: float
    """Largest probability of keeping on the way."""
    steps: int | None
    """Steps until fixing has 90%; None if it never gets there."""
    fixing: float
    """Probability of fixing at the end."""


def ascend(
    prior: float,
    *,
    keep: float = RIGHT,
    fix: float = 1.0,
    beta: float = 0.0,
    scale: float = 1.0,
    steps: int = 20_000,
) -> Path:
    """Follow the exact gradient.

    Args:
        prior: the base's probability of fixing.
        keep: what keeping is worth, p.
        fix: what fixing is worth, q.
        beta: coefficient of the KL.
        scale: factor on the reward; 1 + α for SCoRe's bonus.
        steps: steps of size 1.
    """
    base = np.log([1 - SPOIL - prior, prior, SPOIL])
    rewards, logits = scale * np.array([keep, fix, 0.0]), base.copy()
    most, reached = 0.0, None
    probability = np.exp(base)
    for step in range(steps):
        value = rewards - beta * (np.log(probability) - base)
        logits += probability * (value - probability @ value)
        probability = np.exp(logits - np.logaddexp.reduce(logits))
        most = max(most, float(probability[0]))
        if reached is None and probability[1] >= 0.9:
            reached = step + 1
    return Path(most_kept=most, steps=reached, fixing=float(probability[1]))


def main() -> None:
    table = Table(title=f"p = {RIGHT}, {SPOIL:.0%} spoil; β = 0.15 where there is a KL")
    columns = ("prior", "q", "most kept", "steps to 90%", "with KL", "… of wrong ones", "… α = 10")
    for column in columns:
        table.add_column(column, justify="right")
    for fix in (1.0, 0.85, 0.7):
        for prior in (0.13, 0.03, 0.01, 0.005):
            plain = ascend(prior, fix=fix)
            held = [
                ascend(prior, fix=fix, beta=0.15),
                ascend(prior, fix=fix, beta=0.15, keep=0.0),
                ascend(prior, fix=fix, beta=0.15, scale=11.0),
            ]
            table.add_row(
                f"{prior:.1%}",
                f"{fix:g}",
                f"{plain.most_kept:.0%}",
                "never" if plain.steps is None else f"{plain.steps:,}",
                *(f"{path.fixing:.0%}" for path in held),
            )
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
