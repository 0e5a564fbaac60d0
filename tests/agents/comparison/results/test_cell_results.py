"""What of a comparison is whole enough to be shown."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from selfcorrect_agents.comparison.plan.cells import plan, write_identity
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.results.cell_results import curve, final_kl, load_results
from selfcorrect_agents.comparison.results.clock import read_seconds
from selfcorrect_agents.comparison.run.worker import work
from selfcorrect_env import CheckpointError


def config(**changes: object) -> CompareConfig:
    tables = {"seeds": [0], "n": 3, "decodings": ["greedy"], **changes}
    return config_of({"methods": {"null": {}, "always_flip": {}}, **tables}, "test")


def finish(asked: CompareConfig, folder: Path) -> None:
    """Make every cell in this process."""
    for cell in plan(asked):
        write_identity(cell, folder / cell.folder, "cell.json")
        work(cell, folder / cell.folder)


def names(asked: CompareConfig, folder: Path) -> list[str]:
    return [result.method.label for result in load_results(asked, plan(asked), folder)]


@pytest.mark.parametrize(
    "more",
    [
        {"decodings": ["sampled", "greedy"]},
        {"scaling": {"n": 2, "samples": 4}},
    ],
)
def test_a_cell_that_failed_to_grow_leaves_its_row_out(
    tmp_path: Path, more: dict[str, object]
) -> None:
    """One cell has all that was added; the other one's process died in the middle of it."""
    finish(config(), tmp_path)
    assert names(config(), tmp_path) == ["null", "always_flip"]
    grown = config(**more)
    grows, fails = plan(grown)
    work(grows, tmp_path / grows.folder)
    half = tmp_path / fails.folder / "scaling"
    half.mkdir()
    row = (tmp_path / fails.folder / "greedy" / "episodes.jsonl").read_text().splitlines()[0]
    (half / "episodes.jsonl").write_text(f"{row}\n")
    write_identity(fails, tmp_path / fails.folder, "cell.json")
    assert names(grown, tmp_path) == ["null"]
    assert names(config(), tmp_path) == ["null", "always_flip"]  # as it was asked for at first


def test_half_a_done_file_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    finish(config(), tmp_path)
    path = tmp_path / plan(config())[0].folder / "done.json"
    as_json = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in as_json.items() if k != "greedy"}))
    assert names(config(), tmp_path) == ["always_flip"]


def test_a_damaged_clock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seconds.json"
    assert read_seconds(path) == {}
    path.write_text('{"training": 61')
    with pytest.raises(CheckpointError, match=r"seconds\.json is damaged .* Delete it"):
        read_seconds(path)


def test_a_curve_leaves_out_what_is_no_finite_number() -> None:
    """A method of one's own may log a mean of nothing; the report is not lost by it."""
    rows: list[dict[str, Any]] = [
        {"step": 1, "t1/accuracy": math.nan, "t2/kl": math.inf, "t1/kl": None},
        {"step": 2, "t1/accuracy": 0.5, "t2/kl": 0.25, "t1/kl": 0.1},
    ]
    assert curve(rows, 2) == [{"step": 1}, {"step": 2, **rows[1]}]
    assert final_kl(rows[:1], 2) is None
    assert final_kl(rows, 2) == 0.25
