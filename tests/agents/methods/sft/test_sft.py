"""Pair-SFT."""

import pytest

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.sft import PairSFT, PairSFTConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


@pytest.mark.parametrize("plus", [False, True])
def test_identity(policy: Policy, plus: bool) -> None:
    """The second attempt learns to say 7 from pairs; by chance 1 of 20 tokens is a 7. Seeded; a
    policy that did not learn passes 60% of 128 episodes with probability below 1e-60. That
    among 128 × 2 replies of the base less than 2 problems have a 7: below 1e-4."""
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=digit_seven)
    config = from_flat(
        PairSFTConfig,
        {
            "rollouts": 2,
            "problems_per_step": 16,
            "max_new_tokens": 2,
            "learning_rate": 1e-2,
            "most_steps": 40,
            "plus": plus,
        },
    )
    history = PairSFT(policy).learn(env, config)
    assert history[0]["t2/accuracy"] < 0.3
    assert "fit/traces" not in history[0]
    assert history[1]["fit/traces"] > 50
    assert history[1]["after_fit/t2/accuracy"] > 0.6


def test_without_a_right_reply_there_is_nothing_to_imitate(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=lambda problem, text: False)
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    config = from_flat(
        PairSFTConfig, {"rollouts": 1, "problems_per_step": 4, "samples": 2, "max_new_tokens": 2}
    )
    (metrics,) = PairSFT(policy).learn(env, config)
    assert metrics["fit/traces"] == 0.0
    assert all(before[name].equal(weight) for name, weight in policy.model.state_dict().items())


def test_another_number_of_attempts_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=3)
    with pytest.raises(LearningError, match="PairSFT is defined for 2 attempts"):
        PairSFT(policy).learn(env)


def test_the_papers_setting_is_the_default() -> None:
    """Section 4: one iteration, pairs that go from wrong to right."""
    config = PairSFTConfig()
    assert (config.iterations, config.plus) == (1, False)
