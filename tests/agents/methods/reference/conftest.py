"""A tiny policy that was taught a little: its answers are digits, some surer than others."""

from dataclasses import replace

import pytest

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, pretrain
from selfcorrect_env import SelfCorrectEnv

TAUGHT = TinyConfig(hidden_size=32, layers=1, heads=2, steps=300, rows=32)


@pytest.fixture(scope="session")
def taught() -> Policy:
    return Policy(*pretrain(TAUGHT))


@pytest.fixture(scope="session")
def programmer() -> Policy:
    """One that was taught to finish programs."""
    return Policy(*pretrain(replace(TAUGHT, task="toycode")))


@pytest.fixture(scope="session")
def sums() -> SelfCorrectEnv:
    return SelfCorrectEnv("arithmetic", split="train", size=200)
