"""Checkpoints: whole or refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.checkpoint import (
    latest_checkpoint,
    open_checkpoint,
    save_checkpoint,
    step_seed,
)
from selfcorrect_env import CheckpointError, SelfCorrectEnv, play


def over(policy: Policy, learning_rate: float) -> Learner:
    return Learner(policy.model, adamw(policy.model, learning_rate), max_grad_norm=1.0)


@pytest.fixture
def learner(policy: Policy) -> Learner:
    """One that has taken a step, so that it has a state."""
    learner = over(policy, 1e-3)
    learner.step([policy.model(torch.tensor([[3, 4, 5]])).logits.square().mean()])
    return learner


def test_everything_comes_back(
    policy: Policy, other_policy: Policy, learner: Learner, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, 7, policy, learner)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 7
    fresh = over(other_policy, 0.5)
    found.restore(other_policy, fresh)
    weights = other_policy.model.state_dict()
    assert all(torch.equal(w, weights[n]) for n, w in policy.model.state_dict().items())
    assert fresh.learning_rate == 1e-3
    states = (one.optimizer.state.values() for one in (learner, fresh))
    pairs = zip(*states, strict=True)
    assert all(torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in pairs)


def test_kept_episodes_come_back(
    policy: Policy, learner: Learner, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    episodes = play(lambda conversation: "7", env, indices=[2, 0, 1])
    folder = save_checkpoint(tmp_path, 7, policy, learner, episodes=episodes)
    assert open_checkpoint(folder).episodes() == list(episodes)
    (folder / "episodes.jsonl").write_text("")
    with pytest.raises(CheckpointError, match=r"episodes\.jsonl"):
        open_checkpoint(folder)
    assert open_checkpoint(save_checkpoint(tmp_path, 8, policy, learner)).episodes() == []


def test_the_newest_are_kept_and_leftovers_swept(
    policy: Policy, learner: Learner, tmp_path: Path
) -> None:
    assert latest_checkpoint(tmp_path) is None
    (tmp_path / ".writing-step-000001-99").mkdir()
    for step in (999_999, 1_000_000, 1_000_001):
        save_checkpoint(tmp_path, step, policy, learner)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-1000000", "step-1000001"]
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1_000_001


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "is missing"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated"),
    "empty": (lambda path: path.write_bytes(b""), "truncated"),
    "changed": (flip, "SHA-256"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", ["model/model.safetensors", "model/config.json", "optimizer-00001.safetensors"]
)
def test_a_damaged_file_is_named(
    policy: Policy, learner: Learner, tmp_path: Path, name: str, damage: str
) -> None:
    folder = save_checkpoint(tmp_path, 3, policy, learner)
    spoil, expected = DAMAGES[damage]
    spoil(folder / name)
    with pytest.raises(CheckpointError, match=expected) as caught:
        latest_checkpoint(tmp_path)
    assert str(folder / name) in str(caught.value)
    assert "Delete this checkpoint's folder" in str(caught.value)


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "null", '{"step": 3}', '{"step": 3, "files": {"a": 5}}', '{"files": {}}'],
)
def test_a_damaged_manifest_is_named(
    policy: Policy, learner: Learner, tmp_path: Path, manifest: str
) -> None:
    folder = save_checkpoint(tmp_path, 3, policy, learner)
    (folder / "checkpoint.json").write_text(manifest)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json cannot be read"):
        open_checkpoint(folder)


def test_the_manifest_lists_every_file(policy: Policy, learner: Learner, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, 3, policy, learner)
    listed = json.loads((folder / "checkpoint.json").read_text())["files"]
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert set(listed) == present - {"checkpoint.json"}


def test_seeds_differ_in_each_of_their_three_parts() -> None:
    seeds = {
        step_seed(seed, step, purpose)
        for seed in range(20)
        for step in range(50)
        for purpose in ("problems", "samples")
    }
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert step_seed(0, 0, "problems") == step_seed(0, 0, "problems")
