"""The file that writes SCoRe out takes the same steps as the library."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from selfcorrect_agents import Policy, Rollout, SCoRe, SCoReConfig, Stage, Trainer, from_flat
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_env import SelfCorrectEnv

SIZES = {
    "problems_per_step": 4,
    "samples": 8,
    "max_new_tokens": 4,
    "stage_one_steps": 3,
    "stage_two_steps": 3,
    "seed": 3,
}


@pytest.fixture(scope="module")
def example(load_example: Callable[[str], ModuleType]) -> ModuleType:
    return load_example("score_in_one_file")


class Recorder(Trainer):
    """A trainer that keeps each step's rollout and the weights after it."""

    def update(self, step: int, stage: Stage, rollouts: Sequence[Rollout]) -> Any:
        metrics = super().update(step, stage, rollouts)
        self.rollouts = [*getattr(self, "rollouts", []), rollouts[0]]
        weights = copy.deepcopy(self.policy.model.state_dict())
        self.weights = [*getattr(self, "weights", []), weights]
        return metrics


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model whose first answers are right now and then, so that there is something to learn."""
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2), tokenizer)
    Policy(model.eval(), tokenizer).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def test_it_takes_the_steps_of_the_library(example: ModuleType, base: Path) -> None:
    policy = Policy.from_pretrained(base)
    config = from_flat(SCoReConfig, SIZES)
    trainer = Recorder(policy, SelfCorrectEnv("arithmetic", split="train"), config)
    SCoRe(policy).train(trainer, config)

    own = Policy.from_pretrained(base)
    settings = example.Settings(model=str(base), **SIZES)
    steps = example.train(own.model, own.tokenizer, settings)
    for theirs, weights, metrics, step in zip(
        trainer.rollouts, trainer.weights, trainer.history, steps, strict=True
    ):
        for turn, columns in enumerate(step.rollout.turns):
            of_turn = theirs.turn == turn
            real = step.rollout.real[:, columns]
            assert torch.equal(real, theirs.mask[:, of_turn])
            ids = theirs.ids[:, theirs.columns][:, of_turn]
            assert torch.equal(step.rollout.ids[:, columns][real], ids[real])
        assert torch.equal(step.rollout.scores, theirs.scores)
        assert step.grad_norm == pytest.approx(metrics["train/grad_norm"], rel=1e-3)
        for name, weight in own.model.state_dict().items():
            torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=1e-6)
    rewarded = [float(rollout.scores.sum()) > 0 for rollout in trainer.rollouts]
    assert any(rewarded[:3])
    assert any(rewarded[3:])
