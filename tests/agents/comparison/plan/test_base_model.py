"""The base model and the presets of a comparison: what a file and options set, and what wins."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from selfcorrect_agents.cli.compare import CompareOptions, LoRAOptions, TemplateOptions, configured
from selfcorrect_agents.comparison.plan.base_model import MODEL_FIELDS
from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.config import config_of, read_config, to_toml
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.model_config import LoRAConfig
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.training.config import flat

METHODS: dict[str, Any] = {"base": {}, "SCoRe": {"agent": "score"}}


def cells(**tables: Any) -> dict[str, Cell]:
    values = {"seeds": [0], "methods": METHODS, **tables}
    return {cell.method.label: cell for cell in plan(config_of(values, "test"))}


def test_a_real_model_gets_the_preset_for_one_gpu() -> None:
    found = cells(model="models/lm")
    score = found["SCoRe"]
    learning = flat(score.learning())
    assert (learning["learning_rate"], learning["max_new_tokens"]) == (4e-5, 512)
    assert (score.model.lora.rank, score.model.device) == (16, "auto")
    assert {cell.max_new_tokens for cell in found.values()} == {512}
    assert found["base"].loaded_model().lora == LoRAConfig()


def test_a_tiny_model_gets_tiny_values() -> None:
    score = cells()["SCoRe"]
    assert (score.max_new_tokens, score.model.lora.rank, score.model.device) == (16, 0, "cpu")
    assert score.learning() == type(score.learning())()


def test_what_is_given_wins_over_a_preset() -> None:
    found = cells(
        preset="paper-math",
        lora={"rank": 4},
        max_new_tokens=99,
        methods={**METHODS, "RL": {"agent": "multiturn_rl", "preset": "one-gpu"}},
        model="models/lm",
    )
    assert flat(found["SCoRe"].learning())["learning_rate"] == 5e-6
    assert flat(found["RL"].learning())["learning_rate"] == 4e-5
    assert [found[name].model.lora.rank for name in ("SCoRe", "RL")] == [4, 4]
    assert [found[name].model.activation_checkpointing for name in ("SCoRe", "RL")] == [False, True]
    assert {flat(found[name].learning())["max_new_tokens"] for name in ("SCoRe", "RL")} == {99}


SCORES = {
    "a": {"agent": "score", "preset": "one-gpu"},
    "b": {"agent": "score", "preset": "paper-math"},
}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"lora": {"rnk": 4}}, "Unknown key 'lora.rnk'. Did you mean 'lora.rank'?"),
        ({"lora": 4}, "lora must be a table, got 4"),
        ({"lora": {"rank": -1}}, "lora.rank must be at least 0, got -1"),
        ({"template": {"thoughts": "hide"}}, "template.thoughts must be"),
        ({"template": {"args": ["thinking"]}}, "template.args must be NAME=VALUE"),
        ({"dtype": "float8"}, "dtype must be one of"),
        ({"preset": "one-gpuu"}, "nknown preset 'one-gpuu'"),
        ({"methods": {"base": {"preset": "tiny"}}}, "preset: agent 'base' does not learn"),
        ({"methods": SCORES}, "one-gpu: 512, paper-math: 1024"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tables: dict[str, Any], expected: str) -> None:
    with pytest.raises(ComparisonError) as caught:
        [cell.learning() for cell in cells(**tables).values()]
    assert expected in str(caught.value)


def test_the_identity_covers_how_the_model_is_loaded() -> None:
    plain = {label: cell.identity for label, cell in cells().items()}
    for change in ({"lora": {"rank": 2}}, {"activation_checkpointing": True}):
        changed = {label: cell.identity for label, cell in cells(**change).items()}
        assert changed["SCoRe"] != plain["SCoRe"], change
        assert changed["base"] == plain["base"], change
    for change in (
        {"dtype": "bfloat16"},
        {"template": {"thoughts": "drop"}},
        {"attention": "eager"},
        {"revision": "v2"},
    ):
        changed = {label: cell.identity for label, cell in cells(**change).items()}
        assert all(changed[label] != plain[label] for label in plain), change


def test_every_field_of_a_model_is_an_option_and_a_key(tmp_path: Path) -> None:
    own = {field.name for field in dataclasses.fields(CompareOptions)}
    lora = {f"lora.{field.name}" for field in dataclasses.fields(LoRAOptions)}
    template = {f"template.{field.name}" for field in dataclasses.fields(TemplateOptions)}
    assert set(MODEL_FIELDS) <= own | lora | template
    options = CompareOptions(
        methods=("base", "score"),
        model="models/lm",
        dtype="float32",
        lora=LoRAOptions(rank=4, target_modules=("q_proj",)),
        template=TemplateOptions(system="Be brief.", args=("enable_thinking=false",)),
        preset="one-gpu",
    )
    config = configured(options)
    path = tmp_path / "compare.toml"
    path.write_text(to_toml(config), "utf-8")
    assert read_config(path) == config
    changed = configured(CompareOptions(config=str(path), lora=LoRAOptions(rank=8)))
    (model,) = {changed.base_model(method, 0) for method in changed.methods}
    assert (model.lora.rank, model.lora.target_modules, model.dtype) == (8, ("q_proj",), "float32")
    assert model.template == TemplateConfig(system="Be brief.", args=("enable_thinking=false",))
