"""Experiments: cells in processes of their own, tables and curves of what they measured."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from selfcorrect_agents.commands import quickstart
from selfcorrect_agents.curves import curve_table, write_svg
from selfcorrect_agents.experiments import Cell, CellError, history, is_done, report, run_cells

SMALL = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 4}
LEARNING = {
    "base": {},
    "multi-turn RL": {"steps": 3, **SMALL},
    "SCoRe": {"stage_one_steps": 2, "stage_two_steps": 1, **SMALL},
}


def cells() -> list[Cell]:
    """The quickstart's comparison, shrunk."""
    planned = quickstart.plan(quickstart.QuickstartOptions(seeds=(0,), problems=8))
    return [
        replace(
            cell,
            model="tiny:steps=2,hidden_size=16,layers=1,heads=2",
            learning=LEARNING[cell.name],
        )
        for cell in planned
    ]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFCORRECT_CACHE", str(tmp_path / "cache"))


def text_of(renderable: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.mark.slow
def test_a_comparison_is_made_once_and_shown(tmp_path: Path) -> None:
    made, folder = cells(), tmp_path / "out"
    seen: dict[str, int] = {}
    run_cells(made, folder, jobs=2, on_progress=lambda cell, steps: seen.update({cell.name: steps}))
    assert all(is_done(cell, folder) for cell in made)
    assert [len(history(cell, folder)) for cell in made] == [0, 3, 3]
    assert report(made[2], folder, "greedy").metrics.episodes == 8
    shown = " ".join(text_of(quickstart.summary(made, folder)).split())
    assert "8 held-out problems of arithmetic/test" in shown
    assert "Every trained policy played 12 training episodes." in shown
    for name in LEARNING:
        assert name in shown

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run_cells(made, folder, jobs=2)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    changed = replace(made[1], learning={**made[1].learning, "beta_1": 0.5})
    assert not is_done(changed, folder)
    with pytest.raises(CellError, match="holds another run"):
        run_cells([changed], folder, jobs=1)


def test_a_result_of_other_defaults_is_not_this_one(tmp_path: Path) -> None:
    """A method's default may change with a release; an old result must not pass for a new one."""
    cell = cells()[2]
    (tmp_path / cell.folder).mkdir()
    done = tmp_path / cell.folder / "done.json"
    facts = {**asdict(cell), "config": asdict(cell.config()), "torch": torch.__version__}
    done.write_text(json.dumps(facts))
    assert is_done(cell, tmp_path)
    facts["config"]["alpha"] = 3.0
    done.write_text(json.dumps(facts))
    assert not is_done(cell, tmp_path)


def test_methods_compared_play_as_many_episodes() -> None:
    options = quickstart.QuickstartOptions()
    planned = quickstart.plan(options)
    assert len(planned) == 9
    assert len({cell.episodes() for cell in planned if cell.method != "base"}) == 1
    assert {cell.train["split"] for cell in planned} == {"train"}
    assert {cell.test["split"] for cell in planned} == {"test"}


def test_curves_cope_with_skipped_steps_and_runs_of_any_length(tmp_path: Path) -> None:
    taken = {"t1/accuracy": 0.25, "t2/accuracy": 0.75, "unchanged": 0.5}
    skipped = {"train/skipped": 1.0}
    runs = {
        "A, seed 0": [taken] * 10,
        "A <b>, seed 1": [skipped] * 3,
        **{f"method {i}, seed 0": [taken] for i in range(8)},
    }
    assert "25/75 50" in text_of(curve_table(runs))
    write_svg(tmp_path / "curves.svg", runs)
    written = (tmp_path / "curves.svg").read_text()
    assert written.startswith("<svg")
    assert "<b>" not in written


def test_the_verdict_says_what_the_figures_say() -> None:
    row = quickstart.Row
    rows = [
        row("SCoRe", 0, (40.0, 99.0)),
        row("SCoRe", 1, (40.0, 60.0)),
        row("multi-turn RL", 0, (38.0, 41.0)),
    ]
    assert "60.0 is above" in quickstart.verdict(rows)
    assert "60.0 is NOT above" in quickstart.verdict([*rows, row("multi-turn RL", 1, (50.0, 60.0))])
