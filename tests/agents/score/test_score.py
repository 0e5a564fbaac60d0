"""SCoRe: its two stages, and what it refuses."""

from typing import Any

import pytest
import torch

from selfcorrect_agents.policy import Policy
from selfcorrect_agents.rollout import Rollout
from selfcorrect_agents.score import SCoRe, SCoReConfig
from selfcorrect_agents.score.score import second_attempt_only
from selfcorrect_agents.training import LearningError, Trainer
from selfcorrect_env import SelfCorrectEnv

SMALL = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 3}


def test_stage_one_rewards_the_second_attempt_alone() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert second_attempt_only(scores).tolist() == [[0, 0], [0, 1], [0, 1]]


def test_each_step_has_its_stage(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watches what `learn` asks of the trainer, which then does it."""
    asked: list[dict[str, Any]] = []
    real = Trainer.update

    def watch(self: Trainer, step: int, rollout: Rollout, **how: Any) -> Any:
        asked.append({"scores": rollout.scores, **how})
        return real(self, step, rollout, **how)

    monkeypatch.setattr(Trainer, "update", watch)
    config = SCoReConfig(
        stage_one_steps=2,
        stage_two_steps=1,
        alpha=10.0,
        beta_1=0.01,
        beta_2=0.1,
        stage_two_learning_rate=1e-5,
        **SMALL,
    )
    env = SelfCorrectEnv(env.problems, verifier=lambda problem, text: text.startswith(("1", "2")))
    SCoRe(policy).learn(env, config)
    assert len(asked) == 3
    for step in asked[:2]:
        assert list(step["betas"]) == pytest.approx([0.11, 0.01])
        assert torch.equal(step["rewards"], second_attempt_only(step["scores"]))
        assert step.get("learning_rate") is None
    scores = asked[2]["scores"]
    assert list(asked[2]["betas"]) == [0.01, 0.01]
    assert asked[2]["learning_rate"] == 1e-5
    assert torch.equal(asked[2]["rewards"][:, 0], scores[:, 0])
    assert torch.equal(asked[2]["rewards"][:, 1], 11 * scores[:, 1] - 10 * scores[:, 0])


@pytest.mark.parametrize("attempts", [1, 3])
def test_another_number_of_attempts_is_refused(policy: Policy, attempts: int) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=attempts)
    with pytest.raises(LearningError, match=f"the environment has {attempts}"):
        SCoRe(policy).learn(env, SCoReConfig(stage_one_steps=1, **SMALL))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("problems_per_step", 0),
        ("samples", 1),
        ("learning_rate", 0.0),
        ("temperature", 0.0),
        ("max_new_tokens", 0),
        ("gamma", 1.5),
        ("max_grad_norm", 0.0),
        ("rows_per_forward", 0),
        ("seed", -1),
        ("checkpoint_every", 0),
        ("stage_one_steps", -1),
        ("stage_two_steps", -1),
        ("stage_two_learning_rate", 0.0),
        ("alpha", -1.0),
        ("beta_1", float("nan")),
        ("beta_2", -0.1),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        SCoReConfig(**{field: value})  # type: ignore[arg-type]


def test_published_settings() -> None:
    """Table 5 of arXiv 2409.12917v2."""
    math, mbpp = SCoReConfig.paper_math(), SCoReConfig.paper_mbpp()
    for config, steps, batch, rate, beta_2 in (
        (math, 3000, 512, 5e-6, 0.1),
        (mbpp, 1500, 128, 1e-5, 0.25),
    ):
        assert config.stage_one_steps + config.stage_two_steps == steps
        assert config.problems_per_step * config.samples == batch
        assert config.learning_rate == config.stage_two_learning_rate == rate
        assert (config.alpha, config.beta_1, config.beta_2) == (10.0, 0.01, beta_2)
        assert config.temperature == 1.0
    assert SCoReConfig.paper_math(alpha=0.0).alpha == 0.0
