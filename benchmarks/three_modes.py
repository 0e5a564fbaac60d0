"""A model of the collapse: the exact gradient over keeping, fixing and spoiling.

A second reply keeps the first answer, fixes it or spoils it, with probabilities that don't depend
on whether the first one was right: the base does not check. Keeping is then worth p = Acc@t1,
fixing q (how often a fix is right), spoiling 0. The script follows gradient ascent on the expected
reward minus β KL(π ‖ base) over the three logits, from the base's probabilities, without sampling.

    python benchmarks/three_modes.py

For each prior of fixing it prints the peak of keeping, after how many steps fixing reaches 90%, and
where fixing ends with the KL, for two values of β: for a policy that cannot distinguish right first
answers from wrong ones, and among wrong ones only, for a policy that can (there p = 0).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

SPOIL, RIGHT = 0.04, 0.4
"""The bases of the map: the share of second replies that spoil, and Acc@t1."""

BETAS = (0.15, 0.05)
"""Coefficients of the KL: the default of the methods, and about what the search chose for SCoRe."""


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """The result of a gradient ascent."""

    most_kept: float
    """Largest probability of keeping during the ascent."""
    steps: int | None
    """Steps until fixing reaches 90%; None if it never does."""
    fixing: float
    """Probability of fixing at the end."""


def ascend(
    prior: float,
    *,
    keep: float = RIGHT,
    fix: float = 1.0,
    beta: float = 0.0,
    steps: int = 20_000,
) -> Ascent:
    """Follow the exact gradient.

    Args:
        prior: the base's probability of fixing.
        keep: expected reward of keeping, p.
        fix: expected reward of fixing, q.
        beta: coefficient of the KL.
        steps: number of steps, each of size 1.
    """
    base = np.log([1 - SPOIL - prior, prior, SPOIL])
    rewards, logits = np.array([keep, fix, 0.0]), base.copy()
    most, reached = 0.0, None
    probability = np.exp(base)
    for step in range(steps):
        value = rewards - beta * (np.log(probability) - base)
        logits += probability * (value - probability @ value)
        probability = np.exp(logits - np.logaddexp.reduce(logits))
        most = max(most, float(probability[0]))
        if reached is None and probability[1] >= 0.9:
            reached = step + 1
    return Ascent(most_kept=most, steps=reached, fixing=float(probability[1]))


def main() -> None:
    print(f"p = {RIGHT}, {SPOIL:.0%} spoil\n")
    table = Table(box=box.MARKDOWN)
    with_kl = (head for beta in BETAS for head in (f"β = {beta:g}", "… if wrong"))
    for column in ("prior", "q", "peak of keeping", "steps to 90%", *with_kl):
        table.add_column(column, justify="right")
    for fix in (1.0, 0.85, 0.7):
        for prior in (0.13, 0.03, 0.01, 0.005):
            plain = ascend(prior, fix=fix)
            held = [
                ascend(prior, fix=fix, beta=beta, keep=keep)
                for beta in BETAS
                for keep in (RIGHT, 0.0)
            ]
            table.add_row(
                f"{prior:.1%}",
                f"{fix:g}",
                f"{plain.most_kept:.0%}",
                "never" if plain.steps is None else f"{plain.steps:,}",
                *(f"{ascent.fixing:.0%}" for ascent in held),
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
