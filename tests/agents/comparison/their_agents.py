"""Agents as a user's module would hold them, found by ``their_agents:Name``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_env import Conversation


@dataclass(frozen=True)
class Seeded:
    """A seed and nothing else."""

    seed: int = 0


class Dice:
    """Answers digits at random. Ctrl-C comes when ``calls_left`` is 0."""

    Config: ClassVar[type] = Seeded
    calls_left: ClassVar[int] = -1

    def __init__(self, config: Seeded) -> None:
        self._rng = np.random.default_rng(config.seed)

    @classmethod
    def from_config(cls, config: Seeded) -> Dice:
        return cls(config)

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        if Dice.calls_left == 0:
            raise KeyboardInterrupt
        Dice.calls_left -= 1
        return [str(digit) for digit in self._rng.integers(0, 10, len(conversations))]


def shifted(policy: Policy, by: float) -> Policy:
    """Return another policy, every weight of which is larger by so much."""
    copy = FrozenCopy(policy)
    for weight in copy.model.parameters():
        weight.data.add_(by)
    return copy


class Own:
    """Learns without our base classes: what it has learnt is a new policy of its own."""

    Learning: ClassVar[type] = Seeded

    def __init__(self, policy: Policy, **play: Any) -> None:
        self.policy: Any = policy
        self._generator = torch.Generator().manual_seed(play["seed"])
        self._cap, self._temperature = play["max_new_tokens"], play["temperature"]

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        context = self.policy.start(conversations)
        turn = context.sample(self._cap, self._temperature, self._generator)
        return self.policy.replies(turn)

    def learn(self, env, config=None, *, run=None, progress=False):
        self.policy = shifted(self.policy, 1.0)
        return [{"episodes": 2.0}]


class Hidden(Own):
    """Trains the policy that it was given in place, and keeps it under another name."""

    def __init__(self, policy: Policy, **play: Any) -> None:
        super().__init__(policy, **play)
        self.mine = self.policy
        del self.policy

    def learn(self, env, config=None, *, run=None, progress=False):
        for weight in self.mine.model.parameters():
            weight.data.add_(1.0)
        return [{"episodes": 2.0}]

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        return ["1" for _ in conversations]


class Writer(Own):
    """Writes the model that it chose itself; its policy is what it tried last."""

    def learn(self, env, config=None, *, run=None, progress=False):
        assert run is not None
        shifted(self.policy, 2.0).save_pretrained(run.model)
        self.policy = None
        return [{"episodes": 2.0}]


class Saver(Own):
    """Saves itself: not the policy that it holds, but another one."""

    def learn(self, env, config=None, *, run=None, progress=False):
        return []

    def save(self, path):
        shifted(self.policy, 3.0).save_pretrained(path)


class Useless(Own):
    """Ends with a policy that is none, and writes no model."""

    def learn(self, env, config=None, *, run=None, progress=False):
        self.policy = "learnt a lot"
        return []


class Silent(Own):
    """Trains and returns nothing."""

    def learn(self, env, config=None, *, run=None, progress=False):
        super().learn(env, config, run=run, progress=progress)
