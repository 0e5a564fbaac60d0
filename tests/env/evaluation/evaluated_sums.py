"""A small set of sums, agents that answer them, and environments of every kind around them."""

from typing import Any

import gymnasium as gym

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

SUMS = [
    {"id": f"sum-{i}", "prompt": f"{i} + {i}", "reference": str(2 * i), "secret": f"hidden-{i}"}
    for i in range(1, 8)
]
IDS = [row["id"] for row in SUMS]


def second_thoughts(conversation):
    """Wrong at first, right at last; knows no more than the conversation."""
    number = int(conversation[0]["content"].split(" + ")[0])
    return "no idea" if len(conversation) == 1 else str(2 * number)


class Recorder:
    """Answers like `second_thoughts` and keeps what it was shown."""

    name = "recorder"
    decoding = "greedy"

    def __init__(self):
        self.shown = []

    def act(self, conversations):
        self.shown.append(conversations)
        return [second_thoughts(conversation) for conversation in conversations]


class Foreign(gym.Env[Any, str]):
    """An environment of another make that keeps to the protocol."""

    def __init__(self, inner):
        self.inner = inner
        self.observation_space, self.action_space = inner.observation_space, inner.action_space

    def reset(self, *, seed=None, options=None):
        return self.inner.reset(seed=seed, options=options)

    def step(self, action):
        return self.inner.step(action)


def sums_env():
    return SelfCorrectEnv(SUMS)


ENVIRONMENTS = {
    "plain": sums_env,
    "vector": lambda: SelfCorrectVectorEnv(3, SUMS),
    "vector bonus": lambda: VectorProgressBonus(SelfCorrectVectorEnv(3, SUMS), alpha=10.0),
    "made": lambda: gym.make(
        "SelfCorrect-Arithmetic-v0", problems=SUMS, verifier="exact", prompts="plain"
    ),
    "bonus": lambda: ProgressBonus(sums_env(), alpha=10.0),
    "foreign": lambda: Foreign(sums_env()),
    "observing": lambda: gym.wrappers.TransformObservation(sums_env(), lambda c: c, None),
}


class Hinted(SelfCorrectEnv):
    """Shows a hint; its own step makes the second attempt wrong."""

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        return ({"role": "system", "content": "hint"}, *conversation), info

    def step(self, action):
        said = action if action == "no idea" else "never"
        conversation, *rest = super().step(said)
        return ({"role": "system", "content": "hint"}, *conversation), *rest


class Lottery(gym.Wrapper):
    """Puts a number drawn at random in front of every conversation."""

    def reset(self, *, seed=None, options=None):
        conversation, info = self.env.reset(seed=seed, options=options)
        number = str(self.unwrapped.np_random.integers(10**9))
        return ({"role": "system", "content": number}, *conversation), info
