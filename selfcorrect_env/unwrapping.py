"""What a wrapper around an environment changes: nothing, rewards, or the episodes themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from gymnasium import wrappers as single
from gymnasium.vector import VectorEnv, VectorRewardWrapper, VectorWrapper
from gymnasium.wrappers import vector

from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

# by exact class: a subclass of one of these may do anything
_TRANSPARENT = {
    *(single.OrderEnforcing, single.PassiveEnvChecker, single.RecordEpisodeStatistics),
    *(single.Autoreset, vector.RecordEpisodeStatistics),
}
_REWARDS = {
    *(ProgressBonus, single.NormalizeReward, VectorProgressBonus, vector.NormalizeReward),
}


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """An environment without its wrappers, and the wrappers that change something."""

    env: Any
    """The innermost environment."""
    changing_rewards: tuple[Any, ...]
    """Wrappers that change rewards alone, the outermost first."""
    changing_episodes: tuple[Any, ...]
    """Wrappers that may change observations, replies or the length of an episode."""


def unwrap(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> Unwrapped:
    """Take the wrappers off ``env`` and sort them by what they change.

    A wrapper of an unknown class counts as one that changes episodes. A `TimeLimit` of at least
    as many steps as an episode has attempts changes nothing.
    """
    rewards: list[Any] = []
    episodes: list[Any] = []
    inner: Any = env
    while isinstance(inner, gym.Wrapper | VectorWrapper):
        if _changes_rewards_alone(inner):
            rewards.append(inner)
        elif type(inner) not in _TRANSPARENT and not _never_cuts(inner):
            episodes.append(inner)
        inner = inner.env
    return Unwrapped(inner, tuple(rewards), tuple(episodes))


def _changes_rewards_alone(wrapper: Any) -> bool:
    if type(wrapper) in _REWARDS:
        return True
    for base in (gym.RewardWrapper, VectorRewardWrapper):
        if isinstance(wrapper, base):
            return all(
                getattr(type(wrapper), name) is getattr(base, name) for name in ("reset", "step")
            )
    return False


def _never_cuts(wrapper: Any) -> bool:
    if type(wrapper) is not single.TimeLimit:
        return False
    attempts = getattr(wrapper.unwrapped, "attempts", None)
    return isinstance(attempts, int) and wrapper._max_episode_steps >= attempts
