"""The environments of a comparison, and the problems in them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from selfcorrect_agents.comparison.plan.config import EnvConfig
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.training.config import Evaluation
from selfcorrect_env import SelfCorrectEnv, UnsupportedEnvError, training_env


def make_env(config: EnvConfig) -> gym.Env[Any, Any]:
    """Return ``gym.make(config.id, **config.options)``.

    Raises:
        ComparisonError: there is no such environment, or it does not take an option.
    """
    try:
        return gym.make(config.id, **config.options)
    except (gym.error.Error, ImportError, OSError, TypeError, ValueError) as error:
        raise ComparisonError(
            f"Cannot make {config.id!r} with {dict(config.options)}: {error}"
        ) from error


def make_training_env(config: EnvConfig) -> SelfCorrectEnv:
    """Return the environment that methods learn in.

    Raises:
        ComparisonError: it can't be made, or is no `SelfCorrectEnv`.
    """
    try:
        env = training_env(make_env(config))
    except UnsupportedEnvError as error:
        raise ComparisonError(f"{config.id!r} can't be trained on: {error}") from error
    if not isinstance(env, SelfCorrectEnv):
        raise ComparisonError(
            f"{config.id!r} is a {type(env).__name__}, which has no attempts to train on; "
            "see selfcorrect list."
        )
    return env


def make_held_out_env(config: EnvConfig, learning: Any) -> SelfCorrectEnv | None:
    """Return the environment of evaluations in the course of training, if it is another.

    Args:
        config: the environment of training.
        learning: a method's configuration.

    Raises:
        ComparisonError: its problems have no such split, or one that is empty.
    """
    how = getattr(learning, "evaluation", None)
    if not isinstance(how, Evaluation) or not how.of_another_split:
        return None
    options = how.held_out_options(config.options)
    try:
        return make_training_env(EnvConfig(id=config.id, options=options))
    except ComparisonError as error:
        raise ComparisonError(
            f"{str(error).rstrip('.')}. eval_every needs held-out problems: eval_split = 'train' "
            "holds out training problems."
        ) from error
