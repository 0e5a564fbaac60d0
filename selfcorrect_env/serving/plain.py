"""`plain_env`: the environment that an adapter plays, from an id or from an environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import UnsupportedEnvError
from selfcorrect_env.registration import make
from selfcorrect_env.unwrapping import unwrap


def plain_env(env: str | gym.Env[Any, Any], **options: Any) -> SelfCorrectEnv:
    """Return ``env`` without the wrappers that change nothing.

    Args:
        env: an environment's id, or an environment that ``gym.make`` returned, or a
            `SelfCorrectEnv`.
        options: of ``gym.make``, for an id.

    Raises:
        UnsupportedEnvError: a wrapper changes rewards or episodes, or ``env`` is no
            `SelfCorrectEnv`. The message names it.
        UnknownNameError: no environment has this id.
    """
    found = unwrap(make(env, **options) if isinstance(env, str) else env)
    for wrapper in (*found.changing_rewards, *found.changing_episodes):
        raise UnsupportedEnvError(
            f"The wrapper {type(wrapper).__name__} changes rewards or episodes, and other trainers "
            "don't run it. Give the environment without the wrapper; what it changes belongs into "
            "a verifier or into a subclass of SelfCorrectEnv."
        )
    if not isinstance(found.env, SelfCorrectEnv):
        raise UnsupportedEnvError(
            "Expected an environment's id or a SelfCorrectEnv (wrapped or not), got "
            f"{type(found.env).__name__}."
        )
    return found.env
