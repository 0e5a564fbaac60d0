"""A run that stopped and went on is the run that never stopped, bit by bit."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training import memory_split
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.memory_split import Split
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_agents.training.unjudged import UnjudgedWatch
from selfcorrect_env import CheckpointError, SelfCorrectEnv

TWO_STAGES = {
    **{"stage_one_steps": 4, "stage_two_steps": 2, "problems_per_step": 4, "samples": 4},
    **{"learning_rate": 1e-3, "stage_two_learning_rate": 5e-4, "max_new_tokens": 4},
    **{"schedule": "cosine", "warmup": 0.3, "checkpoint_every": 3},
}


SIX = {"steps": 6, "problems_per_step": 4, "samples": 4, "max_new_tokens": 4}


class StoppedError(Exception):
    """A process that is killed in step 4, after the checkpoint of step 3."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rank", [0, 4])
def test_three_and_three_steps_are_six(
    policy: Policy,
    env: SelfCorrectEnv,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rank: int,
    dtype: Any,
) -> None:
    """SCoRe's two stages with warm-up and cosine; the second process loads everything anew."""
    policy.save_pretrained(tmp_path / "base")

    def learn(folder: str) -> None:
        config = ModelConfig(
            model=str(tmp_path / "base"),
            device="cpu",
            dtype=dtype,
            lora=LoRAConfig(rank=rank, alpha=8.0),
        )
        loaded = load_pretrained(config, train=True)
        SCoRe(loaded).learn(env, from_flat(SCoReConfig, TWO_STAGES), run=tmp_path / folder)

    learn("whole")
    log = RunFolder.log

    def dying(self: RunFolder, step: int, metrics: Any) -> None:
        log(self, step, metrics)
        if step == 4:
            raise StoppedError

    monkeypatch.setattr(RunFolder, "log", dying)
    with pytest.raises(StoppedError):
        learn("parts")
    monkeypatch.setattr(RunFolder, "log", log)
    assert [p.name for p in (tmp_path / "parts/checkpoints").iterdir()] == ["step-000003"]
    learn("parts")

    weights = "adapter_model.safetensors" if rank else "model.safetensors"
    for name in ("metrics.jsonl", "episodes.jsonl", f"model/{weights}"):
        whole, parts = ((tmp_path / run / name).read_bytes() for run in ("whole", "parts"))
        assert whole == parts, name
    at_the_start = (tmp_path / "base/model.safetensors").read_bytes()
    assert rank or (tmp_path / "whole/model" / weights).read_bytes() != at_the_start


def test_a_run_without_a_checkpoint_cuts_its_steps_as_before(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much memory is free now: other micro-batches add up to other last digits."""
    cuts: list[Split] = []

    def learn(free: int, name: str, **more: int) -> None:
        config = from_flat(MultiTurnRLConfig, {**SIX, **more})
        monkeypatch.setattr(memory_split, "free_memory", lambda device: free)
        agent = MultiTurnRL(copy.deepcopy(policy))
        try:
            agent.learn(env, config, run=tmp_path / name)
        finally:
            cuts.append(Split(**json.loads((tmp_path / name / "split.json").read_text())))

    learn(10**12, "whole")
    log = RunFolder.log

    def dying(self: RunFolder, step: int, metrics: Any) -> None:
        log(self, step, metrics)
        if step == 2:
            raise StoppedError

    monkeypatch.setattr(RunFolder, "log", dying)
    with pytest.raises(StoppedError):
        learn(10**12, "parts")
    monkeypatch.setattr(RunFolder, "log", log)
    assert not (tmp_path / "parts/checkpoints").exists()
    learn(10**5, "parts")
    learn(10**5, "little")
    assert cuts[0] == cuts[1] == cuts[2] != cuts[3]
    whole, parts = (tmp_path / name / "metrics.jsonl" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


@pytest.fixture
def run(policy: Policy, env: SelfCorrectEnv, tmp_path: Path) -> Path:
    """A run of four steps that ended, to be extended."""
    MultiTurnRL(copy.deepcopy(policy)).learn(env, four_steps(), run=tmp_path / "run")
    return tmp_path / "run"


def four_steps(steps: int = 4) -> MultiTurnRLConfig:
    small = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 4}
    return from_flat(MultiTurnRLConfig, {"steps": steps, "checkpoint_every": 2, **small})


@pytest.mark.parametrize("kept", [0, 3])
def test_a_log_that_lost_steps_is_not_gone_on_with(
    policy: Policy, env: SelfCorrectEnv, run: Path, kept: int
) -> None:
    """Counters, the best step and early stopping are read from it."""
    log = run / "metrics.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:kept]))
    before = log.read_bytes()
    with pytest.raises(CheckpointError, match=f"has {kept} steps, and the newest checkpoint comes"):
        MultiTurnRL(policy).learn(env, four_steps(6), run=run)
    assert log.read_bytes() == before


def test_a_log_without_its_last_line_end_is_gone_on_with(
    policy: Policy, env: SelfCorrectEnv, run: Path
) -> None:
    log = run / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-1])
    for steps in (5, 6):
        MultiTurnRL(copy.deepcopy(policy)).learn(env, four_steps(steps), run=run)
    assert [row["step"] for row in read_metrics(log)] == [1, 2, 3, 4, 5, 6]


def test_failing_steps_before_a_stop_count() -> None:
    """A run whose verifier fails stops after three such steps, resumed or not."""
    watch = UnjudgedWatch()
    watch.resume([1.0, 0.0, 0.6, 0.9])
    assert watch.failure() is None
    watch.resume([1.0])
    assert watch.failure() is not None
