"""How often does the working of a reply to a sum come to the right value?

    selfcorrect eval base --model MODEL --env SelfCorrect-Sums-v0 --temperature 1 --out runs/base
    python benchmarks/sums_workings.py runs/base/episodes.jsonl

The verifier of `SelfCorrect-Sums-v0` judges the answer line alone. This script reads the lines
after it: the last number of a reply is what its working comes to. A wrong first reply with a right
working is one that a model can correct by reading what it wrote. The files may also be those of a
comparison's cells (``selfcorrect compare … --out``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from selfcorrect_env import Episode
from selfcorrect_env.evaluation import read_episodes

NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Options:
    """Which episodes."""

    episodes: tyro.conf.Positional[tuple[str, ...]]
    """Files of episodes of two attempts."""


def value_of_working(reply: str) -> str | None:
    """Return the last number after a reply's answer line; None if there is none."""
    working = re.split(r"\bworking\b|\n", reply.strip(), maxsplit=1, flags=re.IGNORECASE)[1:]
    numbers = NUMBER.findall(" ".join(working).replace(",", " "))
    return numbers[-1] if numbers else None


def row(episodes: Sequence[Episode]) -> dict[str, str]:
    """Return the counts of a file's judged episodes, each as a share of what its name says."""
    judged = [episode for episode in episodes if episode.judged and len(episode.attempts) == 2]
    first = [episode.attempts[0] for episode in judged]
    second = [episode.attempts[1] for episode in judged]
    right = [a.verdict.correct for a in first]
    wrong = [i for i, is_right in enumerate(right) if not is_right]
    working = [
        value_of_working(str(attempt.reply)) == episode.problem.reference
        for attempt, episode in zip(first, judged, strict=True)
    ]
    same = [str(a.reply) == str(b.reply) for a, b in zip(first, second, strict=True)]
    follows = [
        second[i].verdict.answer is not None
        and second[i].verdict.answer == value_of_working(str(first[i].reply))
        for i in wrong
    ]
    return {
        "episodes": str(len(judged)),
        "right at t1": share(right),
        "right at t2": share([a.verdict.correct for a in second]),
        "fixed, of wrong at t1": share([second[i].verdict.correct for i in wrong]),
        "spoiled, of right at t1": share(
            [not second[i].verdict.correct for i, is_right in enumerate(right) if is_right]
        ),
        "first working right": share(working),
        "first working right, of wrong at t1": share([working[i] for i in wrong]),
        "second answer is what the first working comes to, of wrong at t1": share(follows),
        "second reply repeats the first": share(same),
        "no answer line at t1": share([a.verdict.answer is None for a in first]),
        "no answer line at t2": share([a.verdict.answer is None for a in second]),
        "cut off at t1": share([bool(a.truncated) for a in first]),
        "cut off at t2": share([bool(a.truncated) for a in second]),
    }


def share(values: Sequence[bool]) -> str:
    """Return a count of how many, and as a percentage: "12 of 60 (20.0%)"."""
    percent = f" ({100 * sum(values) / len(values):.1f}%)" if values else ""
    return f"{sum(values)} of {len(values)}{percent}"


def main() -> None:
    """Print the counts of each file."""
    for path in tyro.cli(Options, description=__doc__).episodes:
        print(path)
        for name, value in row(list(read_episodes(path))).items():
            print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
