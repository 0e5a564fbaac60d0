"""Do the workings of replies end right after training? What imitation does to first replies.

    selfcorrect compare benchmarks/arithmetic.toml --out runs/arithmetic
    python benchmarks/workings.py runs/arithmetic

A reply of `SelfCorrect-Arithmetic-v0` is an answer digit and its working, whose last digit should
be that answer. The verifier judges the answer. This script reads the episodes of a comparison,
sampled at T = 1, and prints for each method, as a mean over seeds with the lowest and the highest
seed: the share of first replies whose working ends in the right digit; the same of second replies;
and, after a wrong first answer, the share of second answers that are the last digit of the first
working, which is how a fix can be read off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from selfcorrect_env import Episode
from selfcorrect_env.evaluation import REPORT_FILE, read_episodes

COLUMNS = ("first working ends right", "second working ends right", "read off, of wrong at t1")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which comparison."""

    comparison: tyro.conf.Positional[Path]
    """Its folder."""
    decoding: str = "sampled"
    """Which episodes: sampled or greedy."""


def shares(episodes: Sequence[Episode]) -> tuple[float, float, float]:
    """Return the shares of a cell, in [0, 1], as `COLUMNS` names them; NaN of nothing."""
    judged = [episode for episode in episodes if episode.judged and len(episode.attempts) == 2]
    ends = [
        [str(attempt.reply)[-1:] == episode.problem.reference for attempt in episode.attempts]
        for episode in judged
    ]
    wrong = [episode.attempts for episode in judged if not episode.attempts[0].verdict.correct]
    read_off = [second.verdict.answer == str(first.reply)[-1:] for first, second in wrong]
    return (
        share([first for first, _ in ends]),
        share([second for _, second in ends]),
        share(read_off),
    )


def share(values: Sequence[bool]) -> float:
    """Return the share that is true, in [0, 1]; NaN of no values."""
    return sum(values) / len(values) if values else float("nan")


def cells_of(folder: Path, decoding: str) -> dict[str, list[Path]]:
    """Return the episode files of each method of a comparison, one for each seed.

    Raises:
        SystemExit: there are none.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.glob(f"cells/*/{decoding}/episodes.jsonl")):
        measured = json.loads(file.with_name(REPORT_FILE).read_text("utf-8"))["measured"]
        method = re.sub(r", seed \d+$", "", measured["agent"])
        found.setdefault(method, []).append(file)
    if not found:
        raise SystemExit(f"{folder} has no episodes in cells/*/{decoding}: name a comparison.")
    return found


def cell(values: Sequence[float]) -> str:
    """Return a mean over seeds in percent, with the lowest and the highest."""
    low, mean, high = min(values), sum(values) / len(values), max(values)
    return f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    """Print the table."""
    options = tyro.cli(Options, description=__doc__)
    print(f"| method | seeds | {' | '.join(COLUMNS)} |")
    print(f"| --- | ---: |{' ---: |' * len(COLUMNS)}")
    for method, files in cells_of(options.comparison, options.decoding).items():
        of_seeds = [shares(read_episodes(file)) for file in files]
        cells = " | ".join(cell(column) for column in zip(*of_seeds, strict=True))
        print(f"| {method} | {len(files)} | {cells} |")


if __name__ == "__main__":
    main()
