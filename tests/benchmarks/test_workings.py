"""Shares of workings that end right, on episodes written by hand."""

import json
import math
from pathlib import Path

import pytest
import workings

from selfcorrect_env import Episode, SelfCorrectEnv, play
from selfcorrect_env.evaluation import write_episodes


@pytest.fixture
def episodes() -> list[Episode]:
    env = SelfCorrectEnv("arithmetic", split="test")
    texts = [("x{r}", "{r}{r}"), ("{r}x", "{r}x"), ("xx", "x{r}"), ("x{r}", "xx")]
    found = []
    for index, replies in enumerate(texts):
        reference = env.problems[index].reference
        wrong = str((int(reference) + 1) % 10)
        written = [reply.replace("{r}", reference).replace("x", wrong) for reply in replies]
        found += play(lambda turns: written[len(turns) // 2], env, indices=[index])  # noqa: B023
    return found


def test_the_shares_of_a_cell(episodes: list[Episode]) -> None:
    first, second, read_off = workings.shares(episodes)
    assert (first, second) == (0.5, 0.5)
    assert read_off == pytest.approx(2 / 3), "of three wrong answers; the last is not the digit"
    assert math.isnan(workings.shares([])[0])


def test_the_methods_of_a_comparison(tmp_path: Path, episodes: list[Episode]) -> None:
    for name in ("A, seed 0", "A, seed 10", "B, seed 0"):
        folder = tmp_path / "cells" / name.replace(", ", "-") / "sampled"
        folder.mkdir(parents=True)
        write_episodes(folder / "episodes.jsonl", episodes)
        (folder / "report.json").write_text(json.dumps({"measured": {"agent": name}}))
    found = workings.cells_of(tmp_path, "sampled")
    assert {method: len(files) for method, files in found.items()} == {"A": 2, "B": 1}
    assert workings.cell([0.5, 0.25]) == "37.5 (25.0 to 50.0)"
    with pytest.raises(SystemExit, match="name a comparison"):
        workings.cells_of(tmp_path, "greedy")
