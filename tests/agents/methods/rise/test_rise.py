"""RISE-style self-distillation; its traces: `tests/agents/imitation/test_traces.py`."""

import pytest

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.rise import RISE, RISEConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


def test_identity(policy: Policy) -> None:
    """The second attempt learns to say 7; by chance 1 of 20 tokens is a 7. Seeded; a policy that
    did not learn passes 60% of 128 episodes with probability below 1e-60."""
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=digit_seven)
    config = from_flat(
        RISEConfig,
        {
            "iterations": 3,
            "rollouts": 1,
            "problems_per_step": 16,
            "max_new_tokens": 2,
            "learning_rate": 1e-2,
            "most_steps": 30,
            "weight_temperature": 0.3,
        },
    )
    history = RISE(policy).learn(env, config)
    assert history[0]["t2/accuracy"] < 0.3
    assert all(row["fit/traces"] == 128 for row in history), "every situation has its trace"
    assert history[-1]["after_fit/t2/accuracy"] > 0.6


def test_unsolved_problems_may_be_left_out(policy: Policy) -> None:
    """Nothing is ever right, so by default all is imitated, and then nothing."""
    env = SelfCorrectEnv("arithmetic", split="train", size=40, verifier=lambda problem, text: False)
    size = {"iterations": 1, "rollouts": 1, "problems_per_step": 2, "max_new_tokens": 1}
    for solved_only, traces in ((False, 16.0), (True, 0.0)):
        config = from_flat(RISEConfig, {"most_steps": 1, "solved_only": solved_only, **size})
        (metrics,) = RISE(policy).learn(env, config)
        assert metrics["fit/traces"] == traces


def test_another_number_of_attempts_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=20, attempts=3)
    with pytest.raises(LearningError, match="RISE is defined for 2 attempts"):
        RISE(policy).learn(env)
