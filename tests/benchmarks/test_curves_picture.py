"""The picture of a comparison's learning curves, and the same figures as rows."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import curves_picture
import pytest


def method(name: str, *seeds: str) -> Any:
    curve = (
        {"step": 1.0, "episodes": 64.0, "t1/accuracy": 0.03125, "t2/accuracy": 0.0},
        {"step": 2.0, "episodes": 128.0, "t1/accuracy": 0.0, "t2/accuracy": 0.5},
    )
    return cast(Any, SimpleNamespace(name=name, curves=dict.fromkeys(seeds, curve)))


def test_every_step_of_every_run_is_a_row(tmp_path: Path) -> None:
    curves_picture.write([method("SCoRe", "0", "1"), method("RL", "0")], tmp_path / "steps.csv")
    with (tmp_path / "steps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["method"], r["seed"], r["step"]) for r in rows] == [
        *[("SCoRe", "0", "1"), ("SCoRe", "0", "2"), ("SCoRe", "1", "1"), ("SCoRe", "1", "2")],
        *[("RL", "0", "1"), ("RL", "0", "2")],
    ]
    assert (rows[0]["episodes"], rows[0]["t1/accuracy"], rows[1]["t2/accuracy"]) == (
        "64",
        "0.03125",
        "0.5",
    )


def test_a_panel_for_each_method_and_two_lines_for_each_seed(tmp_path: Path) -> None:
    few, more = tmp_path / "few.svg", tmp_path / "more.svg"
    curves_picture.draw([method("SCoRe", "0")], few)
    curves_picture.draw([method("SCoRe", "0", "1"), method("RL", "0")], more)
    panels = [path.read_text().count('<g id="axes_') for path in (few, more)]
    assert panels == [1, 2]
    lines = [path.read_text().count("clip-path") for path in (few, more)]
    assert lines[1] > lines[0]


def test_the_attempts_at_both_ends_are_drawn() -> None:
    step = dict.fromkeys(("t10/accuracy", "t2/accuracy", "t1/accuracy"), 0.5)
    assert curves_picture.ends(step) == ("t1/accuracy", "t10/accuracy")
    with pytest.raises(IndexError):
        curves_picture.ends({"episodes": 64.0})
