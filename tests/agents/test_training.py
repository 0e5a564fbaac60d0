"""Learning, stopping, going on, and episodes that can't be judged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from datasets import load_dataset

from selfcorrect_agents.logging import RunFolder, read_metrics
from selfcorrect_agents.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.score import SCoRe, SCoReConfig
from selfcorrect_env import CheckpointError, SelfCorrectEnv

SMALL = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "checkpoint_every": 2}
SHORT = {"problems_per_step": 16, "max_new_tokens": 3}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


@pytest.mark.parametrize(
    ("method", "config"),
    [
        (
            SCoRe,
            SCoReConfig(
                stage_one_steps=30,
                stage_two_steps=10,
                learning_rate=1e-2,
                stage_two_learning_rate=1e-2,
                beta_1=0.0,
                beta_2=0.01,
                **SHORT,
            ),
        ),
        (MultiTurnRL, MultiTurnRLConfig(steps=40, learning_rate=1e-2, beta_1=0.0, **SHORT)),
    ],
)
def test_identity(policy: Policy, method: type, config: object) -> None:
    """Each method learns to say 7 at the second attempt; by chance 1 of 20 tokens is a 7.

    Seeded, so a false alarm needs a change of the random streams; a policy that did not learn
    stays near 5% and passes 60% of 128 episodes with probability below 1e-60.
    """
    env = SelfCorrectEnv("arithmetic", split="train", size=200, verifier=digit_seven)
    history = method(policy).learn(env, config)
    assert history[0]["t2/accuracy"] < 0.3
    assert history[-1]["t2/accuracy"] > 0.6


def test_going_on_gives_the_result_of_never_stopping(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    config = MultiTurnRLConfig(steps=6, **SMALL)
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    whole = RunFolder(tmp_path / "whole", {"a": 1})
    MultiTurnRL(policy).learn(env, config, run=whole)
    expected = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    assert any(not torch.equal(start[name], expected[name]) for name in start)

    class StopError(Exception):
        pass

    class Dying(RunFolder):
        def log(self, step, figures):  # type: ignore[no-untyped-def]
            super().log(step, figures)
            if step == 5:  # after a step that the newest checkpoint (4) does not know
                raise StopError

    policy.model.load_state_dict(start)
    with pytest.raises(StopError):
        MultiTurnRL(policy).learn(env, config, run=Dying(tmp_path / "parts", {"a": 1}))
    policy.model.load_state_dict(start)
    MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path / "parts", {"a": 1}, resume=True))
    for name, weight in policy.model.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    assert read_metrics(tmp_path / "parts/metrics.jsonl") == read_metrics(
        tmp_path / "whole/metrics.jsonl"
    )


def test_a_run_is_not_overwritten_or_mixed_up(tmp_path: Path) -> None:
    RunFolder(tmp_path, {"seed": 1}).close()
    with pytest.raises(CheckpointError, match="already holds a run"):
        RunFolder(tmp_path, {"seed": 1})
    with pytest.raises(CheckpointError, match="seed: 1 then, 2 now"):
        RunFolder(tmp_path, {"seed": 2}, resume=True)


@pytest.mark.parametrize("name", ["model/model.safetensors", "optimizer.pt", "checkpoint.json"])
def test_a_truncated_checkpoint_is_named(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path, name: str
) -> None:
    config = MultiTurnRLConfig(steps=2, **SMALL)
    MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path, {}))
    path = tmp_path / "checkpoints/step-000002" / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=path.name):
        MultiTurnRL(policy).learn(env, config, run=RunFolder(tmp_path, {}, resume=True))


def test_unjudged_episodes_teach_nothing_and_are_counted(policy: Policy) -> None:
    calls = iter(range(10**6))

    def fails_at_times(problem: object, response: str) -> bool:
        if next(calls) % 8 == 0:
            raise RuntimeError("the verifier broke")
        return True

    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=fails_at_times)
    (figures,) = MultiTurnRL(policy).learn(env, MultiTurnRLConfig(steps=1, **SMALL))
    assert 1 <= figures["train/unjudged"] <= 4
    assert figures["t1/accuracy"] == 1.0


def test_a_batch_that_nobody_could_judge_is_skipped(policy: Policy, tmp_path: Path) -> None:
    def broken(problem: object, response: str) -> bool:
        raise RuntimeError("the verifier broke")

    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    env = SelfCorrectEnv("arithmetic", split="train", size=50, verifier=broken)
    run = RunFolder(tmp_path, {})
    history = MultiTurnRL(policy).learn(
        env, MultiTurnRLConfig(steps=2, **SMALL), run=run, progress=True
    )
    assert [row["train/skipped"] for row in history] == [1.0, 1.0]
    assert all(torch.equal(before[n], w) for n, w in policy.model.state_dict().items())


def test_ctrl_c_leaves_a_checkpoint_that_the_command_goes_on_from(tmp_path: Path) -> None:
    environment = {**os.environ, "SELFCORRECT_CACHE": str(tmp_path / "cache")}

    def command(out: str, *more: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "import selfcorrect_env.cli as c; raise SystemExit(c.main())",
            "train",
            "multiturn_rl",
            "--model",
            "tiny:steps=5,hidden_size=16",
            "--steps",
            "60",
            "--problems-per-step",
            "4",
            "--samples",
            "4",
            "--max-new-tokens",
            "4",
            "--out",
            str(tmp_path / out),
            *more,
        ]

    subprocess.run(command("whole"), env=environment, check=True, capture_output=True, timeout=200)
    process = subprocess.Popen(
        command("parts"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    metrics = tmp_path / "parts/metrics.jsonl"
    until = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, output
    assert list((tmp_path / "parts/checkpoints").glob("step-*")), output
    subprocess.run(
        command("parts", "--resume"), env=environment, check=True, capture_output=True, timeout=200
    )
    assert metrics.read_text() == (tmp_path / "whole/metrics.jsonl").read_text()
    weights = "model/model.safetensors"
    assert (tmp_path / "parts" / weights).read_bytes() == (
        tmp_path / "whole" / weights
    ).read_bytes()
    episodes = load_dataset(
        "json",
        data_files=str(tmp_path / "parts/episodes.jsonl"),
        split="train",
        cache_dir=str(tmp_path / "hf"),
    )
    assert len(episodes) == 16 * 7  # steps 1, 10, 20 … 60
    assert json.loads((tmp_path / "parts/config.json").read_text())["method"] == "multiturn_rl"
