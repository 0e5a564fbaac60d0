"""RL on the first attempt alone."""

import pytest
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.single_turn_rl import SingleTurnRL, SingleTurnRLConfig
from selfcorrect_agents.methods.single_turn_rl.single_turn_rl import first_attempt_only
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv

SHORT = {"problems_per_step": 16, "max_new_tokens": 2}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def test_identity(policy: Policy) -> None:
    """The first attempt learns to say 7; by chance 1 of 20 tokens is a 7. Seeded; a policy that
    did not learn passes 60% of 128 episodes with probability below 1e-60."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    config = from_flat(
        SingleTurnRLConfig, {"steps": 40, "learning_rate": 1e-2, "beta_1": 0.0, **SHORT}
    )
    history = SingleTurnRL(policy).learn(env, config)
    assert history[0]["t1/accuracy"] < 0.3
    assert history[-1]["t1/accuracy"] > 0.6
    assert all(row["t2/reward"] == 0.0 for row in history)


def test_a_second_attempt_alone_teaches_nothing(policy: Policy) -> None:
    """Sixteen wrong first attempts, then sixteen right second ones: no weight moves."""
    judged = iter(range(32))
    env = SelfCorrectEnv(
        [{"prompt": "1+1=", "reference": "2"}],
        verifier=lambda problem, text: next(judged) // 16,
        prompts="arithmetic",
    )
    before = [weight.clone() for weight in policy.model.parameters()]
    config = from_flat(
        SingleTurnRLConfig,
        {
            "steps": 1,
            "beta_1": 0.0,
            "problems_per_step": 4,
            "samples": 4,
            "max_new_tokens": 2,
            "advantage": "batch_mean",
        },
    )
    (metrics,) = SingleTurnRL(policy).learn(env, config)
    assert (metrics["t1/accuracy"], metrics["t2/accuracy"]) == (0.0, 1.0)
    assert metrics["train/zero_advantage"] == 1.0
    assert all(map(torch.equal, before, policy.model.parameters()))


def test_only_the_first_score_is_a_reward() -> None:
    scores = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    assert first_attempt_only(scores).tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("attempts", [1, 3])
def test_any_number_of_attempts_is_played(policy: Policy, attempts: int) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=9, attempts=attempts)
    config = from_flat(
        SingleTurnRLConfig, {"steps": 1, "problems_per_step": 2, "samples": 2, "max_new_tokens": 2}
    )
    (metrics,) = SingleTurnRL(policy).learn(env, config)
    assert f"t{attempts}/accuracy" in metrics
