"""A cell's process: what it measures, and that a stop changes none of it."""

import io
import json
from pathlib import Path

import pytest
import their_agents
import torch

from selfcorrect_agents.comparison.engine import check
from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.config import config_of
from selfcorrect_agents.comparison.results.sampling import SAMPLES_FILE, ScalingCurves, read_curves
from selfcorrect_agents.comparison.run import worker
from selfcorrect_agents.errors import ComparisonError, LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.model_card import model_card
from selfcorrect_agents.training.run_folder import read_metrics
from selfcorrect_env import SelfCorrectEnv
from selfcorrect_env.problems import read_trained_on

TINY = "tiny:seed=0,steps=2,hidden_size=16,layers=1,heads=2"


def cell_of(agent: str, **tables: object) -> Cell:
    methods = {"it": {"agent": f"their_agents:{agent}"}}
    small: dict[str, object] = {"seeds": [3], "n": 6, "batch_size": 2, "max_new_tokens": 2}
    small["lora"] = {"rank": 0}  # a folder is no tiny model, which would get an adapter
    (cell,) = plan(config_of({"methods": methods, **small, **tables}, "test"))
    return cell


def made(cell: Cell, place: Path) -> Path:
    place.mkdir(exist_ok=True)
    worker.work(cell, place)
    return place


def stopped(cell: Cell, place: Path, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the cell until its agent has answered N calls."""
    monkeypatch.setattr(their_agents.Dice, "calls_left", calls)
    with pytest.raises(KeyboardInterrupt):
        made(cell, place)
    monkeypatch.setattr(their_agents.Dice, "calls_left", -1)


# two attempts of three batches for each decoding, then four batches of samples: 20 calls in all
@pytest.mark.parametrize("calls", [3, 4, 9, 13, 16])
def test_a_stop_while_measuring_changes_no_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    cell = cell_of("Dice", scaling={"n": 2, "samples": 4})
    whole = made(cell, tmp_path / "whole")
    stopped(cell, tmp_path / "stopped", calls, monkeypatch)
    resumed = made(cell, tmp_path / "stopped")
    for name in ("sampled", "greedy", "scaling"):
        expected, found = (p / name / "episodes.jsonl" for p in (whole, resumed))
        assert found.read_text() == expected.read_text(), name


def test_what_was_measured_before_the_stop_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of("Dice")
    stopped(cell, tmp_path / "cell", 7, monkeypatch)
    monkeypatch.setattr(their_agents.Dice, "calls_left", 6)  # the second decoding's, no more
    made(cell, tmp_path / "cell")
    assert their_agents.Dice.calls_left == 0


def test_a_batch_of_samples_that_was_cut_short_is_drawn_again(tmp_path: Path) -> None:
    cell = cell_of("Dice", scaling={"n": 2, "samples": 4})
    samples = made(cell, tmp_path / "cell") / "scaling" / SAMPLES_FILE
    whole = samples.read_text()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 8
    samples.write_text("".join(lines[:5]) + lines[5][:20])
    made(cell, tmp_path / "cell")
    assert samples.read_text() == whole
    assert isinstance(read_curves(samples.parent, 4), ScalingCurves)
    # and no batch is another one's copy
    replies = [line.partition('"replies"')[2][:24] for line in lines[:4]]
    assert len(set(replies)) > 1


def weight_of(policy: Policy) -> torch.Tensor:
    return next(policy.model.parameters()).detach()


@pytest.mark.parametrize(
    ("agent", "by"),
    [("Own", 1.0), ("Silent", 1.0), ("Hidden", 1.0), ("Writer", 2.0), ("Saver", 3.0)],
)
def test_what_it_has_learnt_is_saved_and_measured(
    tmp_path: Path, policy: Policy, agent: str, by: float
) -> None:
    policy.save_pretrained(tmp_path / "base")
    cell = cell_of(agent, model=str(tmp_path / "base"), decodings=["greedy"])
    place = tmp_path / "cell"
    place.mkdir()
    learnt = [worker.train(cell, cell.compared_agent(), place) for _ in ("fresh", "resumed")]
    expected = weight_of(policy) + by
    for found in [*learnt, Policy.from_pretrained(place / "run" / "model")]:
        assert torch.equal(weight_of(found), expected)
    assert read_trained_on(place / "run") is not None
    card = model_card(place / "run", "me/mine")
    assert "arithmetic, split train" in card
    made(cell, place)


def test_a_policy_that_is_none_is_refused(tmp_path: Path, policy: Policy) -> None:
    policy.save_pretrained(tmp_path / "base")
    cell = cell_of("Useless", model=str(tmp_path / "base"))
    with pytest.raises(LearningError, match="its attribute policy is a str"):
        made(cell, tmp_path / "cell")
    assert not (tmp_path / "cell" / worker.TRAINED).exists()


EVALUATED = {"steps": 2, "problems_per_step": 2, "samples": 2, "eval_every": 1, "keep_best": True}


def trained(**learning: object) -> Cell:
    methods = {"it": {"agent": "multiturn_rl", "learning": {**EVALUATED, **learning}}}
    config = config_of(
        {"methods": methods, "model": TINY, "seeds": [3], "n": 2, "max_new_tokens": 2}, "test"
    )
    check(config)
    return plan(config)[0]


def test_methods_may_be_evaluated_in_the_course_of_training(tmp_path: Path) -> None:
    cell = trained(eval_problems=3)
    run = made(cell, tmp_path / "cell") / "run"
    rows = read_metrics(run / "metrics.jsonl")
    assert all("eval/t2/accuracy" in row for row in rows)
    validation = SelfCorrectEnv("arithmetic", split="validation").problems.fingerprint
    assert json.loads((run / "config.json").read_text())["held_out_problems"] == validation
    assert (run / "best.json").exists()


def test_a_split_that_there_is_not_is_refused_before_anything_runs() -> None:
    with pytest.raises(ComparisonError, match=r"'it': .*'nope'.*eval_every needs held-out"):
        trained(eval_split="nope")


def test_a_task_that_comes_after_the_end_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the process starts: its tasks are there, and its input has ended."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"cell": {}, "folder": "x"}\n'))
    tasks = worker.Tasks()
    tasks.reader.join()
    assert list(tasks) == []
