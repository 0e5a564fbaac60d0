"""An untrained tiny policy, and the environment that it plays in."""

import pytest
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_env import SelfCorrectEnv

torch.set_num_threads(1)


def untrained(seed: int = 0) -> Policy:
    tokenizer = build_tokenizer()
    model = build_model(TinyConfig(hidden_size=16, layers=1, heads=2, seed=seed), tokenizer)
    return Policy(model.eval(), tokenizer)


@pytest.fixture
def policy() -> Policy:
    return untrained()


@pytest.fixture
def other_policy() -> Policy:
    """One with other weights."""
    return untrained(seed=1)


@pytest.fixture
def env() -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="train", size=200)
