"""Cells: their settings, when they are finished, and that settings are never mixed."""

import copy
import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest

from selfcorrect_agents.comparison.plan.cells import (
    Cell,
    is_done,
    plan,
    require_same,
    write_identity,
)
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_env.errors import CheckpointError


def config(**changes: object) -> CompareConfig:
    tables = {
        "seeds": [0, 1],
        "methods": {"base": {}, "SCoRe": {"agent": "score", "learning": {"alpha": 3}}},
        **changes,
    }
    return config_of(tables, "test")


def finish(cells: list[Cell], folder: Path) -> None:
    for cell in cells:
        for name in ("cell.json", "done.json"):
            write_identity(cell, folder / cell.folder, name)


def test_every_method_meets_every_seed() -> None:
    cells = plan(config(model="tiny:seed={seed}"))
    assert [(cell.method.label, cell.seed, cell.model.model) for cell in cells] == [
        ("base", 0, "tiny:seed=0"),
        ("SCoRe", 0, "tiny:seed=0"),
        ("base", 1, "tiny:seed=1"),
        ("SCoRe", 1, "tiny:seed=1"),
    ]
    assert len({cell.folder for cell in cells}) == 4


def test_a_cell_crosses_to_its_process_as_json() -> None:
    for cell in plan(config(scaling={"methods": ["SCoRe"]})):
        assert Cell.from_dict(json.loads(json.dumps(dataclasses.asdict(cell)))) == cell


def test_a_comparison_may_grow_and_only_the_new_is_missing(tmp_path: Path) -> None:
    finish(plan(config(decodings=["greedy"])), tmp_path)
    methods = {"base": {}, "SCoRe": {"agent": "score", "learning": {"alpha": 3}}}
    grown = config(
        title="another",
        jobs=7,
        seeds=[0, 1, 2],
        decodings=["greedy"],
        methods={**methods, "RL": {"agent": "multiturn_rl"}},
        scaling={"methods": ["base"]},
    )
    for cell in plan(grown):
        require_same(cell, tmp_path)
    missing = {cell.name for cell in plan(grown) if not is_done(cell, tmp_path)}
    new_seed = {f"{label}, seed 2" for label in ("base", "SCoRe", "RL")}
    assert missing == {*new_seed, "RL, seed 0", "RL, seed 1", "base, seed 0", "base, seed 1"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n": 5}, "n: 2000 then, 5 now"),
        ({"model": "tiny"}, "model: 'tiny:seed=0' then, 'tiny' now"),
        ({"max_new_tokens": 4}, "max_new_tokens: 16 then, 4 now"),
        ({"test": {"size": 9}}, "options: "),
        ({"methods": {"SCoRe": {"agent": "score"}}}, "'alpha': 3.0"),
        ({"methods": {"SCoRe": {"agent": "multiturn_rl"}}}, "agent: 'score' then"),
    ],
)
def test_other_settings_are_refused(
    tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    finish(plan(config()), tmp_path)
    (cell, *_) = [cell for cell in plan(config(**changes)) if cell.method.label == "SCoRe"]
    assert not is_done(cell, tmp_path)
    with pytest.raises(CheckpointError, match="run with other settings") as caught:
        require_same(cell, tmp_path)
    assert expected in str(caught.value)


def test_a_result_of_other_defaults_is_not_this_one(tmp_path: Path) -> None:
    """A method's default may change with a release; an old result must not pass for a new one."""
    cell = plan(config())[1]
    finish([cell], tmp_path)
    assert is_done(cell, tmp_path)
    settings = copy.deepcopy(cell.identity)
    settings["training"]["learning"]["beta_1"] = 0.77
    (tmp_path / cell.folder / "done.json").write_text(json.dumps(settings))
    assert not is_done(cell, tmp_path)


@pytest.mark.parametrize(
    "execution", [{"rows_at_once": 2}, {"tokens_per_forward": 512}, {"checkpoint_every": 7}]
)
def test_how_a_cell_is_run_is_no_part_of_its_result(
    tmp_path: Path, execution: dict[str, int]
) -> None:
    """A run may be resumed with another value, so a cell may, too."""
    cell = plan(config())[1]
    finish([cell], tmp_path)
    other = dataclasses.replace(cell.method, learning={**cell.method.learning, **execution})
    changed = dataclasses.replace(cell, method=other)
    (name,) = execution
    assert getattr(changed.learning().execution, name) == execution[name]
    require_same(changed, tmp_path)
    assert is_done(changed, tmp_path)


def test_results_of_earlier_versions_that_name_how_they_were_run_stay_results(
    tmp_path: Path,
) -> None:
    cell = plan(config())[1]
    finish([cell], tmp_path)
    for name in ("cell.json", "done.json"):
        settings = copy.deepcopy(cell.identity)
        settings["training"]["learning"] |= {"tokens_per_forward": 99, "checkpoint_every": 50}
        (tmp_path / cell.folder / name).write_text(json.dumps(settings))
    require_same(cell, tmp_path)
    assert is_done(cell, tmp_path)


def test_an_unknown_folder_is_refused(tmp_path: Path) -> None:
    cell = plan(config())[1]
    (tmp_path / cell.folder / "run").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"holds a run but no cell\.json"):
        require_same(cell, tmp_path)
    (tmp_path / cell.folder / "cell.json").write_text("{")
    with pytest.raises(CheckpointError, match="is damaged"):
        require_same(cell, tmp_path)


def test_other_code_of_a_users_method_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells are never continued with another algorithm."""
    source = "class Constant:\n    def act(self, asked):\n        return ['{}'] * len(asked)\n"
    monkeypatch.syspath_prepend(tmp_path)

    def cell_of(answer: str) -> Cell:
        (tmp_path / "constant_agent.py").write_text(source.format(answer))
        monkeypatch.delitem(sys.modules, "constant_agent", raising=False)
        importlib.invalidate_caches()
        (cell,) = plan(config(seeds=[0], methods={"it": {"agent": "constant_agent:Constant"}}))
        return cell

    cell = cell_of("1")
    finish([cell], tmp_path)
    assert is_done(cell_of("1"), tmp_path)
    other = cell_of("22")
    assert not is_done(other, tmp_path)
    with pytest.raises(CheckpointError, match=r"training: code: .*Results are never mixed"):
        require_same(other, tmp_path)
    (ours,) = plan(config(seeds=[0], methods={"base": {}}))
    assert "code" not in ours.identity["training"]
