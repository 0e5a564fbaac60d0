"""The folder of a run, as its readers see it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_agents.training.run_picture import run_picture
from selfcorrect_env import CheckpointError, Episode, SelfCorrectEnv, play


@pytest.fixture
def episodes(env: SelfCorrectEnv) -> tuple[Episode, ...]:
    return tuple(play(lambda conversation: "7 \u2028 é", env, indices=range(3)))


def test_datasets_and_tensorboard_read_it(tmp_path: Path, episodes: tuple[Episode, ...]) -> None:
    run = RunFolder(tmp_path / "run", {}, episodes_every=2)
    rows: list[dict[str, float]] = [
        {"t1/accuracy": 0.5},
        {"train/unjudged": 4.0, "train/skipped": 1.0},
        {"t1/accuracy": 0.75},
    ]
    for step, row in enumerate(rows, start=1):
        run.log(step, row)
        run.log_episodes(step, episodes)
    run.close()
    run.close()
    assert read_metrics(tmp_path / "run/metrics.jsonl") == [
        {"step": step, **row} for step, row in enumerate(rows, start=1)
    ]

    def load(name: str) -> list[dict[str, object]]:
        file = str(tmp_path / "run" / name)
        return list(
            load_dataset("json", data_files=file, split="train", cache_dir=str(tmp_path / "hf"))
        )

    assert [row["t1/accuracy"] for row in load("metrics.jsonl")] == [0.5, None, 0.75]
    assert [row["step"] for row in load("episodes.jsonl")] == [1, 1, 1, 2, 2, 2]
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("t1/accuracy")] == [(1, 0.5), (3, 0.75)]


def test_going_back_forgets_what_came_after(tmp_path: Path, episodes: tuple[Episode, ...]) -> None:
    run = RunFolder(tmp_path, {}, episodes_every=1)
    for step in range(1, 5):
        run.log(step, {"x": step})
        run.log_episodes(step, episodes)
    run.close()
    for name in ("metrics.jsonl", "episodes.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write('{"step": 5, "half')  # by a process that was killed
    run = RunFolder(tmp_path, {}, resume=True)
    assert run.rewind(2) == [{"step": 1, "x": 1}, {"step": 2, "x": 2}]
    run.log(3, {"x": 30})
    run.close()
    assert [row["x"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 30]
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 1, 1, 2, 2, 2]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("x")] == [1, 2, 30]


def test_no_episodes_where_none_are_wanted(tmp_path: Path, episodes: tuple[Episode, ...]) -> None:
    run = RunFolder(tmp_path, {}, episodes_every=0)
    run.log_episodes(1, episodes)
    assert not (tmp_path / "episodes.jsonl").exists()


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 2"):
        read_metrics(path)


@pytest.mark.parametrize("content", ["", "{", "[1]", "3"])
def test_a_damaged_config_is_refused(tmp_path: Path, content: str) -> None:
    RunFolder(tmp_path, {"seed": 1}).log(1, {})
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json is damaged"):
        RunFolder(tmp_path, {"seed": 1}, resume=True)


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("name", ["checkpoints", "model", "metrics.jsonl", "episodes.jsonl"])
def test_parts_of_an_unknown_run_are_left_alone(tmp_path: Path, resume: bool, name: str) -> None:
    """Such as a base model in the folder "model", or the episodes of an evaluation."""
    (tmp_path / name).mkdir()
    with pytest.raises(CheckpointError, match=rf"holds {name} but no config\.json of a run"):
        RunFolder(tmp_path, {}, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_samples_and_curves_of_a_run(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps 1, 2 and 4 show an episode; a resumed run forgets those after its checkpoint."""
    small = {"problems_per_step": 4, "samples": 2, "max_new_tokens": 4}
    config = from_flat(MultiTurnRLConfig, {"steps": 4, **small})
    run = RunFolder(tmp_path, {}, show_every=2)
    MultiTurnRL(policy).learn(env, config, run=run, progress=True)
    run.close()
    shown = (tmp_path / "samples.txt").read_text()
    assert re.findall(r"(?m)^== (step \d+) ==$", shown) == ["step 1", "step 2", "step 4"]
    assert shown.count("reference: ") == 3
    assert "step 2\n" in capsys.readouterr().err
    picture = (tmp_path / "curves.svg").read_text()
    assert "training, mean over seeds: Acc@t2" in picture
    RunFolder(tmp_path, {}, resume=True).rewind(3)
    kept = (tmp_path / "samples.txt").read_text()
    assert re.findall(r"(?m)^== (step \d+) ==$", kept) == ["step 1", "step 2"]
    assert shown.startswith(kept)


@pytest.mark.parametrize("line", ["step 9", "== step 9 ==", " == step 9 =="])
def test_a_reply_that_looks_like_a_head_is_not_cut(tmp_path: Path, line: str) -> None:
    run = RunFolder(tmp_path, {})
    run.log(1, {})
    for step in (1, 2, 3):
        run.log_sample(step, f"a reply:\n{line}\nits end {step}")
    run.close()
    RunFolder(tmp_path, {}, resume=True).rewind(2)
    kept = (tmp_path / "samples.txt").read_text()
    assert [f"its end {step}" in kept for step in (1, 2, 3)] == [True, True, False]


def test_the_picture_has_a_line_for_held_out_problems() -> None:
    history = [{"t1/accuracy": 0.1, "eval/t1/accuracy": 0.5}, {"t1/accuracy": 0.2}]
    picture = run_picture("a <run>", history)
    assert picture is not None
    assert "held out, greedy" in picture
    assert "sampled" not in picture
    assert "a &lt;run&gt;" in picture
    assert run_picture("none", [{"x": 1.0}]) is None


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    """Two new runs with the same folder would mix their rows, and delete each other's files."""
    program = (
        "import sys; from selfcorrect_agents.training.run_folder import RunFolder\n"
        "run = RunFolder(sys.argv[1], {'seed': 1}); run.log(1, {'x': 1.0})\n"
        "print('writing', flush=True); sys.stdin.read()"
    )
    ours = RunFolder(tmp_path / "run", {"seed": 2})
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(CheckpointError, match="being written by another process"):
            ours.log(1, {"x": 2.0})
        resumed = RunFolder(tmp_path / "run", {"seed": 1}, resume=True)
        with pytest.raises(CheckpointError, match="being written by another process"):
            resumed.rewind(0)
        other.kill()
    with pytest.raises(CheckpointError, match="already holds a run"):
        ours.log(1, {"x": 2.0})
    assert [row["x"] for row in resumed.rewind(1)] == [1.0]
    resumed.close()
    assert not (tmp_path / "run/.lock").exists()
