"""A run that stopped and went on is the run that never stopped, bit by bit."""

from pathlib import Path
from typing import Any

import pytest

from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_env import SelfCorrectEnv

TWO_STAGES = {
    **{"stage_one_steps": 4, "stage_two_steps": 2, "problems_per_step": 4, "samples": 4},
    **{"learning_rate": 1e-3, "stage_two_learning_rate": 5e-4, "max_new_tokens": 4},
    **{"schedule": "cosine", "warmup": 0.3, "checkpoint_every": 3},
}


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
