"""The search treats every row alike, and every setting that it draws can be trained."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sensitivity
import tune
import write_comparison
from trials import Trial

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan.config import read_config
from selfcorrect_agents.training.config import flat, from_flat
from selfcorrect_agents.training.method_lookup import find_method


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """A settings.json as the search writes it, with the first setting of every row."""
    chosen = {
        row: {"method": space.method, "learning": tune.draw(row, 1)[0]}
        for row, space in tune.SPACES.items()
    }
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"options": asdict(tune.Options()), "chosen": chosen}))
    return path


@pytest.mark.parametrize("row", tune.SPACES)
def test_every_setting_is_valid_and_within_its_ranges(row: str) -> None:
    space, options = tune.SPACES[row], tune.Options()
    method: Any = find_method(space.method)
    settings = tune.draw(row, options.trials)
    assert len({json.dumps(setting) for setting in settings}) == 20
    for setting in settings:
        config = from_flat(method.Learning, setting).within(options.episodes)
        assert config.episodes <= options.episodes
        assert {**flat(config), **space.fixed} == flat(config)
        for name, values in space.searched.items():
            if isinstance(values, tuple):
                assert values[0] * 0.95 <= setting[name] <= values[1] * 1.05
            elif name != "stages":
                assert setting[name] in values


def test_a_larger_search_begins_with_the_smaller_one() -> None:
    for row in tune.SPACES:
        assert tune.draw(row, 5) == tune.draw(row, 20)[:5]
        assert tune.draw(row, 5) != tune.draw(row, 6)[1:]


def test_the_settings_of_rows_of_reinforcement_learning_share_their_ranges() -> None:
    for row in ("single-turn RL", "multi-turn RL", "multi-turn RL, r2 alone", "SCoRe"):
        assert tune.REINFORCED.items() <= tune.SPACES[row].searched.items()


@pytest.mark.parametrize("table", write_comparison.TABLES)
def test_every_table_can_be_run(
    table: str,
    found: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["write_comparison.py", "--settings", str(found), "--table", table, "--seeds", "0"]
    monkeypatch.setattr("sys.argv", words)
    write_comparison.main()
    path = tmp_path / "table.toml"
    path.write_text(capsys.readouterr().out)
    config = read_config(path)
    assert config.arrival == 0.9
    check(config)


def test_another_task_keeps_the_settings(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {}
    for task in ("searched", "toycode"):
        words = ["write_comparison.py", "--settings", str(found), "--task", task]
        monkeypatch.setattr("sys.argv", words)
        write_comparison.main()
        path = tmp_path / f"{task}.toml"
        path.write_text(capsys.readouterr().out)
        tables[task] = read_config(path)
    first, second = tables["searched"], tables["toycode"]
    assert second.test.id == "SelfCorrect-ToyCode-v0"
    assert (len(second.seeds), second.episodes) == (10, 20_480)
    assert [m.label for m in second.methods] == [m.label for m in first.methods]
    searched = {m.label: m.learning for m in first.methods if "w/o" not in m.label}
    assert searched == {m.label: m.learning for m in second.methods if m.label in searched}
    check(second)


@pytest.mark.parametrize(
    ("env", "table", "equal_compute", "seeds"),
    [
        ("SelfCorrect-Arithmetic-v0", "main", None, 20),
        ("SelfCorrect-Arithmetic-v0", "main", Path("comparison.json"), 10),
        ("SelfCorrect-ToyCode-v0", "ablations", None, 5),
        ("SelfCorrect-Sums-v0", "main", None, 5),  # searched in with tune.py --env
    ],
)
def test_every_environment_has_a_number_of_seeds(
    env: str, table: str, equal_compute: Path | None, seeds: int
) -> None:
    assert write_comparison.seeds_of(env, table, equal_compute) == range(seeds)


@pytest.mark.parametrize("row", sensitivity.FACTORS)
def test_one_setting_is_varied_at_a_time(row: str, found: Path) -> None:
    content = json.loads(found.read_text())
    settings = sensitivity.varied(row, content)
    method: Any = find_method(content["chosen"][row]["method"])
    chosen = flat(from_flat(method.Learning, settings.pop("as chosen")).within(40_960))
    for name, setting in settings.items():
        config = flat(from_flat(method.Learning, setting).within(40_960))
        changed = {field for field in chosen if config[field] != chosen[field]}
        field = name.partition(" ")[0]
        assert field in changed
        steps = {"steps", "stage_one_steps", "stage_two_steps"}
        assert changed - {field} <= steps  # the budget in steps of another size


def test_a_trial_is_known_by_all_its_fields() -> None:
    one = Trial(method="base", model="tiny", env="id", split="test", episodes=1)
    assert Trial(**asdict(one)).key == one.key
    assert Trial(**{**asdict(one), "problems": 5}).key != one.key
