"""Players: they lead an agent through the episodes of one environment, text level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv, VectorRewardWrapper
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, vector

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError
from selfcorrect_env.evaluation.agents import ask
from selfcorrect_env.types import Agent, Episode
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

AnyEnv: TypeAlias = "gym.Env[Any, Any] | VectorEnv[Any, Any, Any]"

# wrappers that leave conversations and replies as they are, so that they may be stepped around
_TRANSPARENT = (
    *(OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, gym.RewardWrapper, ProgressBonus),
    *(vector.RecordEpisodeStatistics, VectorRewardWrapper, VectorProgressBonus),
)


class Player(ABC):
    """Plays chosen problems of one environment."""

    env: Any
    """The environment whose episodes are played, with its wrappers where they matter."""
    facts: dict[str, Any]
    """``problem_set``, ``split``, ``size``, ``fingerprint``, ``verifier``, ``prompts``,
    ``attempts``: the environment's part of `selfcorrect_env.evaluation.report.Measured`."""

    @abstractmethod
    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems, in order, and return their finished episodes."""


def player_for(env: AnyEnv) -> Player:
    """Return the player for ``env``: a batched one wherever that plays the same episodes.

    A `SelfCorrectEnv` is stepped in a batch, through a vector environment that shares its
    problems, verifier and prompts; ``env`` itself is not touched. If it is wrapped in anything
    that may change what an agent sees or says, it is stepped as it is, one by one. So is any
    other environment that keeps to the same protocol: ``reset(options={"index": i})``, a
    ``problem_set`` in the info of reset and ``finished`` (an `Episode`) in that of the last step.

    Raises:
        TypeError: ``env`` is not an environment.
    """
    inner: Any = env
    while isinstance(inner, _TRANSPARENT):
        inner = inner.env
    if isinstance(inner, SelfCorrectEnv | SelfCorrectVectorEnv):
        return BatchPlayer(inner)
    if isinstance(env, gym.Env):
        return SinglePlayer(env)
    raise TypeError(
        "Expected an environment's id, a gymnasium.Env or a SelfCorrectVectorEnv; "
        f"got {type(env).__name__}."
    )


class BatchPlayer(Player):
    """Plays a whole batch of problems in step; replies of one turn are verified together."""

    def __init__(self, env: SelfCorrectEnv | SelfCorrectVectorEnv) -> None:
        self.env = env
        self.facts = {
            "problem_set": env.problems.name,
            "split": env.problems.split,
            "size": len(env.problems),
            "fingerprint": env.problems.fingerprint,
            "verifier": env.verifier.name,
            "prompts": env.prompts.name,
            "attempts": env.attempts,
        }

    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems at the same time."""
        batch = SelfCorrectVectorEnv.like(
            self.env, len(indices), autoreset_mode=AutoresetMode.DISABLED
        )
        conversations, infos = batch.reset(options={"index": list(indices)})
        for _ in range(batch.attempts):
            conversations, _, _, _, infos = batch.step(ask(agent, conversations))
        return list(infos["finished"])


class SinglePlayer(Player):
    """Plays one problem after another in an environment that is stepped as it is."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env
        _, info = env.reset(seed=0, options={"index": 0})
        found = info.get("problem_set")
        if found is None:
            raise EpisodeError(
                f"{env} cannot be evaluated: the info of its reset() has no 'problem_set' "
                "(a dict of name, split, size, fingerprint)."
            )
        inner: Any = env.unwrapped
        self.facts = {
            "problem_set": found["name"],
            "split": found["split"],
            "size": found["size"],
            "fingerprint": found["fingerprint"],
            "verifier": _name_of(inner, "verifier"),
            "prompts": _name_of(inner, "prompts"),
            "attempts": getattr(inner, "attempts", 2),
        }

    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems one by one; the problem's index is the episode's seed."""
        return [self._play_one(agent, index) for index in indices]

    def _play_one(self, agent: Agent, index: int) -> Episode:
        conversation, info = self.env.reset(seed=index, options={"index": index})
        over = False
        while not over:
            (reply,) = ask(agent, [conversation])
            conversation, _, terminated, truncated, info = self.env.step(reply)
            over = terminated or truncated
        if not isinstance(info.get("finished"), Episode):
            raise EpisodeError(
                f"{self.env} ended the episode of problem {index} without an Episode in "
                "info['finished']; was it cut short by a wrapper such as TimeLimit?"
            )
        return info["finished"]


def _name_of(env: object, attribute: str) -> str:
    return getattr(getattr(env, attribute, None), "name", "unknown")
