"""Multi-turn STaR."""

import pytest

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.star import STaR, STaRConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv


def odd(problem: object, response: str) -> bool:
    """Right by chance in a quarter of the replies: STaR needs successes to begin with."""
    return response[:1] in set("13579")


@pytest.mark.parametrize("plus", [False, True])
def test_identity(policy: Policy, plus: bool) -> None:
    """The second attempt learns to begin with an odd digit; by chance 5 of 20 tokens are one.
    Seeded; a policy that did not learn passes 60% of 256 episodes with probability below 1e-15."""
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=odd)
    config = from_flat(
        STaRConfig,
        {
            "iterations": 2,
            "rollouts": 1,
            "problems_per_step": 32,
            "max_new_tokens": 2,
            "learning_rate": 1e-2,
            "most_steps": 30,
            "plus": plus,
        },
    )
    history = STaR(policy).learn(env, config)
    assert len(history) == 2
    assert history[0]["t2/accuracy"] < 0.4
    assert history[0]["fit/traces"] > 5
    assert history[1]["after_fit/t2/accuracy"] > 0.6


def test_right_to_right_is_imitated_with_plus_alone(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=lambda p, text: True)
    small = {"iterations": 1, "rollouts": 1, "problems_per_step": 4, "samples": 2}
    short = {"max_new_tokens": 2, "most_steps": 1}
    (metrics,) = STaR(policy).learn(env, from_flat(STaRConfig, {**small, **short}))
    assert metrics["fit/traces"] == 0.0
    (metrics,) = STaR(policy).learn(env, from_flat(STaRConfig, {"plus": True, **small, **short}))
    assert metrics["fit/traces"] == 8.0


def test_another_number_of_attempts_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=1)
    with pytest.raises(LearningError, match="STaR is defined for 2 attempts"):
        STaR(policy).learn(env)


def test_the_papers_setting_is_the_default() -> None:
    """Section 4: three iterations, traces that go from wrong to right."""
    config = STaRConfig()
    assert (config.iterations, config.plus) == (3, False)
