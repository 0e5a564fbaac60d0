"""``selfcorrect quickstart``: a comparison of four rows, told in its own words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from selfcorrect_agents.cli import quickstart_run as quickstart
from selfcorrect_agents.cli.quickstart import QuickstartOptions
from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.plan.environments import make_env
from selfcorrect_env.cli.main import main
from selfcorrect_env.problems.overlap import shared_problems

SMALL = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 4}


@pytest.mark.slow
def test_a_width_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--hidden-size", "0"]) == 2
    assert "hidden_size must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_shrunk_quickstart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SELFCORRECT_CACHE", str(tmp_path / "cache"))
    whole = quickstart.configured

    def shrunk(options: QuickstartOptions) -> CompareConfig:
        config = whole(options)
        base, *rls, score = config.methods
        steps = {"stage_one_steps": 2, "stage_two_steps": 1}
        return replace(
            config,
            methods=(
                base,
                *(replace(rl, learning={"steps": 3, **SMALL}) for rl in rls),
                replace(score, learning={**steps, **SMALL}),
            ),
            model={"model": "tiny:seed={seed},steps=2,hidden_size=16,layers=1,heads=2"},
        )

    monkeypatch.setattr(quickstart, "configured", shrunk)
    words = ["quickstart", "--seeds", "0", "--n", "8", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "8 held-out problems of arithmetic/test" in shown
    assert "Every trained policy played 12 training episodes." in shown
    for name in quickstart.METHODS:
        assert name in shown
    assert "seeds that arrive at acc@t2 ≥ 90%" in shown
    assert "which arrives earlier, seed by seed" in shown
    for name in ("learning-curves.svg", "compare.toml", "cells/score-seed0/run/metrics.jsonl"):
        assert (tmp_path / "out" / name).exists()
    assert main([*words, "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [method["name"] for method in printed["methods"]] == list(quickstart.METHODS)


def test_it_trains_on_one_split_and_measures_on_the_other() -> None:
    cells = plan(quickstart.configured(QuickstartOptions()))
    assert len(cells) == 12
    assert {cell.train.options["split"] for cell in cells} == {"train"}
    assert {cell.test.options["split"] for cell in cells} == {"test"}


def test_its_problems_are_not_trained_on() -> None:
    train = make_env(quickstart.configured(QuickstartOptions()).train)
    test = make_env(quickstart.configured(QuickstartOptions()).test)
    tested = test.unwrapped.problems  # type: ignore[attr-defined]
    assert shared_problems(train.unwrapped.problems, tested) == []  # type: ignore[attr-defined]
    assert len(tested) == 4000


def test_a_wider_model_learns_in_more_and_smaller_steps() -> None:
    assert quickstart.scaled("multiturn_rl", 64) == {}
    default = quickstart.scaled("multiturn_rl", 64 * 2)
    assert default == {"learning_rate": 2.5e-4, "steps": 1280}


@pytest.mark.parametrize("hidden_size", [32, 128])
def test_every_method_takes_a_model_of_another_width(hidden_size: int) -> None:
    options = QuickstartOptions(hidden_size=hidden_size, seeds=(0,))
    (score,) = [
        cell for cell in plan(quickstart.configured(options)) if cell.method.agent == "score"
    ]
    width, learning = hidden_size / 64, score.learning()
    default = type(learning)()
    assert learning.stage_two_learning_rate == default.stage_two_learning_rate / width
    assert learning.stage_two_steps == round(default.stage_two_steps * width)


@pytest.mark.parametrize("width", [50, 80])
def test_its_table_never_cuts_a_number(width: int) -> None:
    """The longest numbers, in every seed and so in the mean."""
    values = (100.0, 100.0, -100.0, 100.0, 100.0, 100.0)
    rows = [quickstart.SeedMetrics("multi-turn RL, r2 alone", seed, values) for seed in (0, 1)]
    console = Console(width=width)
    with console.capture() as capture:
        console.print(quickstart.metrics_table("a title", rows, 2))
    shown = capture.get()
    assert "…" not in shown
    assert shown.count("100.0") == 3 * 6
    assert "Δ(t1," in shown


def test_its_table_has_a_column_for_each_attempt() -> None:
    assert quickstart.metric_names(3)[:4] == ["t1", "t2", "t3", "Δ(t1, t3)"]
