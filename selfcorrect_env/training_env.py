"""`training_env`: an environment in any accepted form, as training and evaluation need it."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import gymnasium as gym
from gymnasium.vector import VectorEnv

from selfcorrect_env.errors import UnsupportedEnvError
from selfcorrect_env.problems.own_problems import has_splits
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.registration import make, registered_options
from selfcorrect_env.types import Verifier
from selfcorrect_env.unwrapping import Unwrapped, unwrap

AnyEnv: TypeAlias = "gym.Env[Any, Any] | VectorEnv[Any, Any, Any]"


@runtime_checkable
class TrainingEnv(Protocol):
    """What training needs of an environment.

    `SelfCorrectEnv`, its subclasses and `SelfCorrectVectorEnv` are training environments. Any
    other class with these attributes is one too.
    """

    @property
    def problems(self) -> ProblemSet:
        """The problem set that episodes are about."""
        ...

    @property
    def verifier(self) -> Verifier:
        """The verifier that scores the replies."""
        ...

    @property
    def prompts(self) -> Prompts:
        """The texts around a problem."""
        ...

    @property
    def attempts(self) -> int:
        """Attempts in an episode, >= 1."""
        ...

    def vectorised(self, num_envs: int) -> VectorEnv[Any, Any, Any]:
        """Return a new vector environment of ``num_envs`` rows, without autoreset.

        ``reset(seed=..., options={"index": [...]})`` starts the problems of these indices, one per
        row; rows with equal seeds and indices start with equal conversations. ``step(replies)``
        gives ``infos["verdict"]``, a `Verdict` per row, and after the last attempt
        ``infos["finished"]``, an `Episode` per row, as `SelfCorrectVectorEnv` does.
        """
        ...


def training_env(env: str | AnyEnv | TrainingEnv, *, split: str = "train") -> TrainingEnv:
    """Return ``env`` as a training environment.

    Args:
        env: an environment's id, an environment that ``gym.make`` returned, a `SelfCorrectEnv`, a
            `SelfCorrectVectorEnv`, a subclass of these, or another `TrainingEnv`. Wrappers that
            change nothing in an episode are taken off.
        split: the split that an id is made with, unless the id is registered with one, or with
            problems of its own that have no splits. An environment object keeps its own.

    Raises:
        UnsupportedEnvError: a wrapper changes rewards, observations, replies or the length of an
            episode; or ``env`` is not a self-correction environment. The message names it.
        UnknownNameError: no environment has this id, or its problem set has no such split.
    """
    if isinstance(env, str):
        env = _made(env, split)
    found = unwrap(env) if isinstance(env, gym.Env | VectorEnv) else Unwrapped(env, (), ())
    if isinstance(found.env, type) or not isinstance(found.env, TrainingEnv):
        kind = found.env if isinstance(found.env, type) else type(found.env)
        raise UnsupportedEnvError(
            f"Expected an environment's id, a SelfCorrectEnv (wrapped or not) or a "
            f"SelfCorrectVectorEnv; got {'the class ' * (kind is found.env)}{kind.__name__}. "
            "Training needs the attributes problems, verifier, prompts and attempts and the method "
            "vectorised(num_envs), as SelfCorrectEnv has them."
        )
    if found.changing_rewards:
        raise UnsupportedEnvError(
            f"The wrapper {type(found.changing_rewards[0]).__name__} changes rewards, and training "
            "does not use them: each method computes its rewards from the verdicts. Train on the "
            "environment without the wrapper and set the method's own options (SCoRe's bonus is "
            "alpha), or write a verifier that returns the score you want."
        )
    if found.changing_episodes:
        raise UnsupportedEnvError(
            f"The wrapper {type(found.changing_episodes[0]).__name__} may change what the agent "
            "reads or writes, and training does not run it. Train on the environment without the "
            "wrapper, or put the change into a subclass of SelfCorrectEnv: its reset and step are "
            "run as they are."
        )
    return found.env


def _made(id: str, split: str) -> gym.Env[Any, Any]:
    options = registered_options(id)
    divided = has_splits(options.get("problems"), options.get("holdout"))
    try:
        return make(id, **({"split": split} if divided and "split" not in options else {}))
    except TypeError as error:
        raise UnsupportedEnvError(f"{id!r} can't be trained on: {error}") from error
