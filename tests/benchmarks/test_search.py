"""The search treats every row alike, and every setting that it draws can be trained."""

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import remedies
import sensitivity
import tune
import write_comparison
from trials import Trial

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan.config import CompareConfig, read_config
from selfcorrect_agents.training.config import flat, from_flat
from selfcorrect_agents.training.method_lookup import find_method

BENCHMARKS = Path(tune.__file__).parent


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


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("arithmetic.toml", []),
        ("toycode.toml", ["--task", "toycode", "--title", "A second task: completing programs"]),
        *(
            (f"further/{table}.toml", ["--table", table])
            for table in write_comparison.TABLES
            if table not in ("main", "defaults")
        ),
    ],
)
def test_the_stored_comparisons_are_those_of_the_search(
    file: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = str(BENCHMARKS / "settings" / "arithmetic.json")
    monkeypatch.setattr("sys.argv", ["write_comparison.py", "--settings", settings, *words])
    write_comparison.main()
    assert (BENCHMARKS / file).read_text() == capsys.readouterr().out


def written(
    found: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> CompareConfig:
    """Return the comparison that write_comparison.py writes of the settings."""
    monkeypatch.setattr("sys.argv", ["write_comparison.py", "--settings", str(found), *words])
    write_comparison.main()
    path = found.with_name("table.toml")
    path.write_text(capsys.readouterr().out)
    return read_config(path)


def test_one_reply_has_as_many_training_replies_as_two_attempts(
    found: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two = written(found, monkeypatch, capsys)
    one = written(found, monkeypatch, capsys, "--table", "one-reply")
    assert (two.episodes, one.episodes) == (40_960, 81_920)
    assert (one.train.options["attempts"], one.token_cap) == (1, 2 * two.token_cap)


def test_the_row_of_discounts_is_the_papers(
    found: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """γ = 0.8 and α = 1 (appendix A.2), whatever α the search chose."""
    content = json.loads(found.read_text())
    content["chosen"]["SCoRe"]["learning"] |= {"alpha": 20.0}
    found.write_text(json.dumps(content))
    rows = written(found, monkeypatch, capsys, "--table", "beyond").methods
    (row,) = (row for row in rows if row.label == "SCoRe, γ = 0.8, α = 1")
    assert (row.learning["gamma"], row.learning["alpha"]) == (0.8, 1.0)


@pytest.mark.parametrize("corner", remedies.REMEDIES)
def test_each_remedy_changes_something(corner: str) -> None:
    """Whatever the search chose: no two rows of a corner are the same run."""
    chosen = json.loads((BENCHMARKS / "settings" / "arithmetic.json").read_text())["chosen"]
    keys = {
        name: remedies.trial(remedies.Options(), chosen, corner, remedy, 0).key
        for name, remedy in remedies.REMEDIES[corner].items()
    }
    assert len(set(keys.values())) == len(keys), keys


def test_equal_compute_has_the_rows_that_cost_more_or_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the tokens at equal episodes: twice the episodes; as many tokens: no row of its own."""
    costs = {"SCoRe": 1000, "multi-turn RL": 1010, "Pair-SFT": 500, "STaR": 1600}
    methods = [
        SimpleNamespace(
            name=name, spent=SimpleNamespace(tokens=tokens, gradient_tokens=0, episodes=40_960)
        )
        for name, tokens in costs.items()
    ]
    monkeypatch.setattr(
        write_comparison, "read_comparison", lambda _: SimpleNamespace(methods=methods)
    )
    rows: Any = {"base": ("base", {}), **dict.fromkeys(costs, ("any", {}))}
    found = write_comparison.budgets_of(Path("comparison.json"), rows)
    assert found == {"Pair-SFT": 81_920, "STaR": 25_600}
    with pytest.raises(SystemExit, match="no costs of the row 'RISE'"):
        write_comparison.budgets_of(Path("comparison.json"), {**rows, "RISE": ("rise", {})})


@pytest.mark.parametrize("row", sensitivity.FACTORS)
def test_the_chosen_settings_can_be_varied(row: str) -> None:
    found = json.loads((BENCHMARKS / "settings" / "arithmetic.json").read_text())
    method: Any = find_method(found["chosen"][row]["method"])
    for setting in sensitivity.varied(row, found).values():
        config = from_flat(method.Learning, setting).within(40_960)
        assert config.episodes <= 40_960


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
        ("SelfCorrect-Arithmetic-v0", "main", Path("comparison.json"), 5),
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
