"""The comparisons of this repository parse, and their small copies have a step of everything."""

from pathlib import Path

import pytest
from rehearse import SAMPLES, Options, main, small_copy

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import read_config, to_toml

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FILES = sorted([*BENCHMARKS.glob("*.toml"), *BENCHMARKS.glob("recipes/*.toml")])
EQUAL = [path for path in FILES if path.name == "sums.toml" or path.parent.name == "recipes"]


def test_the_recipes_are_there() -> None:
    models, tasks = ("qwen2.5-1.5b", "llama-3.2-3b"), ("math", "gsm8k")
    names = {f"{model}-{task}.toml" for model in models for task in tasks}
    assert names == {path.name for path in FILES if path.parent.name == "recipes"}


@pytest.mark.parametrize("path", EQUAL, ids=lambda path: path.name)
def test_every_row_plays_as_many_episodes(path: Path) -> None:
    """Within 2%: methods with several stages or iterations leave a remainder."""
    config = read_config(path)
    cells = plan(config)
    assert len(cells) == len(config.methods) * len(config.seeds)
    for cell in cells:
        learning = cell.learning()
        if learning is not None:
            assert 0.98 * config.episodes <= learning.episodes <= config.episodes
            assert learning.sampling.max_new_tokens == config.max_new_tokens
            assert cell.model.lora.rank == 16


@pytest.mark.parametrize("path", EQUAL, ids=lambda path: path.name)
def test_a_small_copy_has_every_row(path: Path, tmp_path: Path) -> None:
    small = small_copy(Options(path, model="tiny"))
    assert [m.label for m in small.methods] == [m.label for m in read_config(path).methods]
    assert len(small.seeds) == 1
    for cell in plan(small):
        learning = cell.learning()
        assert learning is None or learning.episodes_per_step == SAMPLES
    copied = tmp_path / "small.toml"
    copied.write_text(to_toml(small))
    assert read_config(copied) == small


def test_a_row_without_settings_has_small_steps_too(tmp_path: Path) -> None:
    file = tmp_path / "few.toml"
    file.write_text(
        'model = "tiny"\nenv = "SelfCorrect-Arithmetic-v0"\nepisodes = 128\nseeds = [0]\n'
        '[methods."base"]\nagent = "base"\n[methods."RL"]\nagent = "multiturn_rl"\n'
    )
    small = small_copy(Options(file, model="tiny"))
    base, trained = (cell.learning() for cell in plan(small))
    assert base is None
    assert trained.episodes_per_step == SAMPLES
    assert trained.evaluation.eval_problems == 2


@pytest.mark.slow
def test_a_rehearsal_of_the_sums_runs_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an untrained model: what it learns does not matter here."""
    path, out = BENCHMARKS / "sums.toml", tmp_path / "out"
    arguments = ["rehearse", str(path), "--model", "tiny:steps=1", "--out", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 0
    assert (out / "report.html").exists()
    assert len(list((out / "cells").glob("*/done.json"))) == len(read_config(path).methods)
