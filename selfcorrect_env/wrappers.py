"""Reward shaping as wrappers: SCoRe's bonus for progress between attempts.

The wrappers are for training loops of one's own that learn from ``reward``, such as those of
stable-baselines3. The training methods of this project compute their rewards from the verdicts,
with the same equation on tensors: `learn` refuses these wrappers by name, and SCoRe's option
``alpha`` is the bonus there.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray

from selfcorrect_env.errors import EpisodeError
from selfcorrect_env.types import Conversation, Verdict


def progress_bonus(before: Verdict | None, now: Verdict, alpha: float) -> float:
    """Return ``α · (r(y_t) − r(y_{t−1}))`` (paper, equation 5).

    It is 0 at the first attempt, and if either response was not judged.
    """
    if before is None or not (before.judged and now.judged):
        return 0.0
    return alpha * (now.score - before.score)


class ProgressBonus(gym.Wrapper[Conversation, str, Conversation, str], RecordConstructorArgs):
    """Adds SCoRe's bonus to the reward of every attempt after the first (paper, equation 5).

    ``info["bonus"]`` holds what was added.

    Args:
        env: a `SelfCorrectEnv`, wrapped or not.
        alpha: α, any finite number; the paper's is 10 (appendix B, table 5).

    Raises:
        ValueError: ``alpha`` is not finite.

    >>> from selfcorrect_env import SelfCorrectEnv
    >>> env = ProgressBonus(SelfCorrectEnv([{"prompt": "1 + 1", "reference": "2"}]), alpha=10)
    >>> _ = env.reset(seed=0)
    >>> env.step("3")[1], env.step("2")[1]
    (0.0, 11.0)

    """

    def __init__(self, env: gym.Env[Conversation, str], alpha: float = 10.0) -> None:
        RecordConstructorArgs.__init__(self, alpha=alpha)
        gym.Wrapper.__init__(self, env)
        self.alpha = _finite(alpha)
        self._before: Verdict | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Conversation, dict[str, Any]]:
        """Start an episode."""
        started = self.env.reset(seed=seed, options=options)
        self._before = None  # where it is refused, the episode goes on
        return started

    def step(self, action: str) -> tuple[Conversation, float, bool, bool, dict[str, Any]]:
        """Give the next reply; its reward has the bonus added."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        verdict = _verdict_of(info, self.env)
        if verdict is None:  # a wrapper below reset the environment instead
            self._before = None
            return observation, float(reward), terminated, truncated, info
        info["bonus"] = bonus = progress_bonus(self._before, verdict, self.alpha)
        self._before = None if terminated or truncated else verdict
        return observation, float(reward) + bonus, terminated, truncated, info


class VectorProgressBonus(VectorWrapper):
    """`ProgressBonus` for a `SelfCorrectVectorEnv`, in every autoreset mode.

    Args:
        env: the vector environment.
        alpha: α, any finite number.

    Raises:
        ValueError: ``alpha`` is not finite.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], alpha: float = 10.0) -> None:
        super().__init__(env)
        self.alpha = _finite(alpha)
        self._before: list[Verdict | None] = [None] * env.num_envs

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes; those that a ``reset_mask`` leaves alone keep their progress."""
        mask = (options or {}).get("reset_mask")
        observations, infos = self.env.reset(
            seed=seed,  # pyright: ignore[reportArgumentType]  gymnasium's type forgets lists
            options=options,
        )
        for row in range(self.num_envs):
            if mask is None or mask[row]:
                self._before[row] = None
        return observations, infos

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Give every sub-environment its reply; rewards have the bonus added."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        bonuses = np.zeros(self.num_envs)
        over = terminations | truncations
        now: list[Verdict | None] = [None] * self.num_envs
        # in SAME_STEP mode an ended episode's info is the final one
        for found in (infos, infos.get("final_info")):
            if found is None or _verdict_of(found, self.env) is None:
                continue
            for row in np.flatnonzero(found["_verdict"]).tolist():
                now[row] = verdict = found["verdict"][row]
                bonuses[row] = progress_bonus(self._before[row], verdict, self.alpha)
            found["bonus"] = np.where(found["_verdict"], bonuses, 0.0)
            found["_bonus"] = found["_verdict"].copy()
        self._before = [None if over[row] else now[row] for row in range(self.num_envs)]
        return observations, rewards + bonuses, terminations, truncations, infos


def _verdict_of(info: dict[str, Any], env: object) -> Any:
    """Return ``info["verdict"]``, or None if the info is that of a reset."""
    if "verdict" not in info and "attempt" not in info:
        raise EpisodeError(
            f"The progress bonus needs the info of a SelfCorrectEnv; {env} gives no 'verdict'."
        )
    return info.get("verdict")


def _finite(alpha: float) -> float:
    if not math.isfinite(alpha):
        raise ValueError(f"alpha must be a finite number, got {alpha!r}.")
    return float(alpha)
