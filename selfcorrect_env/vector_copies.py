"""`CopiesVectorEnv`: a vector environment that steps independent copies of a single one.

`SelfCorrectVectorEnv` plays what `SelfCorrectEnv` plays, and nothing else. A subclass with its own
``reset`` or ``step`` is vectorised by copies instead: each row runs the subclass's own methods.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from selfcorrect_env.env_setup import SetupProperties
from selfcorrect_env.errors import EpisodeError, UnsupportedEnvError
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.session import as_read
from selfcorrect_env.types import Conversation, Episode, Verifier

AnyEnv = TypeVar("AnyEnv", bound="gym.Env[Any, Any]")

PRESENTATION = frozenset(
    {"metadata", "render", "render_mode", "_print", "close", "vectorised", "copy"}
)
"""Attributes that a subclass may replace without changing what happens in an episode."""


def is_modified(env: object, base: type) -> bool:
    """Return whether ``env`` may play other episodes than an object of ``base`` itself.

    True if its class, a class between the two, a mixin in front of ``base`` or the object itself
    replaces an attribute of ``base`` that takes part in an episode (``reset``, ``step``,
    ``verifier`` …). A constructor of its own, special methods, rendering and new attributes
    do not count.
    """
    names = {
        name
        for name in (*vars(base), *vars(SetupProperties), "np_random", "unwrapped")
        if not name.startswith("__") and name not in PRESENTATION
    }
    mro = type(env).__mro__
    replaced = [vars(cls) for cls in mro[: mro.index(base)]]
    if any("__getattribute__" in attributes for attributes in replaced):
        return True
    return any(not names.isdisjoint(attributes) for attributes in (*replaced, vars(env)))


class CopiesVectorEnv(SyncVectorEnv):
    """``num_envs`` deep copies of a `SelfCorrectEnv` or a subclass, stepped one after another.

    The copies share the problem set, the verifier and the prompts, which no episode changes; every
    other attribute is copied. Observations, rewards and infos are laid out as by
    `SelfCorrectVectorEnv`, and so are the options of ``reset``: ``{"index": [...]}``, one problem
    index per row, and ``{"reset_mask": mask}``. A caller that wants runs of an environment with
    random elements to repeat passes ``reset(seed=...)``: rows with equal seeds and indices show
    equal conversations.

    Args:
        env: the environment to copy; it is not stepped itself.
        num_envs: number of copies, >= 1.
        autoreset_mode: what happens after the end of an episode.

    Raises:
        UnsupportedEnvError: the environment holds an attribute that cannot be copied.
        ValueError: ``num_envs`` is below 1.
    """

    def __init__(
        self,
        env: gym.Env[Conversation, str],
        num_envs: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.DISABLED,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise ValueError(f"num_envs must be an int of at least 1, got {num_envs!r}.")
        self._original: Any = env
        rows = [_Row(copied(env), row, num_envs) for row in range(num_envs)]
        super().__init__(
            [lambda row=row: row for row in rows],
            copy=False,  # every conversation is a fresh tuple already
            autoreset_mode=autoreset_mode,
        )

    @property
    def problems(self) -> ProblemSet:
        """The problem set."""
        return self._original.problems

    @property
    def verifier(self) -> Verifier:
        """The verifier that scores the replies."""
        return self._original.verifier

    @property
    def prompts(self) -> Prompts:
        """The texts around a problem."""
        return self._original.prompts

    @property
    def attempts(self) -> int:
        """Attempts in an episode."""
        return self._original.attempts

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Give every row its next reply, as `SelfCorrectVectorEnv.step` does.

        Raises:
            EpisodeError: without autoreset, the episode of a row has ended already.
        """
        if self.autoreset_mode == AutoresetMode.DISABLED:
            ended = np.flatnonzero(self._terminations | self._truncations).tolist()
            if ended:
                raise EpisodeError(
                    f"step() was called after the end of the episodes of rows {ended} of "
                    f"{self!r}. Without autoreset, the episodes of a batch must have the same "
                    "number of attempts."
                )
        return super().step(actions)

    def __repr__(self) -> str:
        return f"<{type(self._original).__name__} × {self.num_envs}: stepped one by one>"


def copied(env: AnyEnv) -> AnyEnv:
    """Return an independent copy of ``env`` that shares its problems, verifier and prompts.

    Its random generator is not copied: without a seed each copy draws its own numbers.

    Raises:
        UnsupportedEnvError: an attribute cannot be copied.
    """
    attributes: Mapping[str, Any] = vars(env)
    shared = [attributes.get("_setup"), env.problems, env.verifier, env.prompts, env.spec]  # type: ignore[attr-defined]
    try:
        twin = copy.deepcopy(env, {id(value): value for value in shared if value is not None})
    except Exception as error:  # an attribute's own __deepcopy__ may raise anything
        raise UnsupportedEnvError(
            f"{type(env).__name__} replaces methods of SelfCorrectEnv, so its episodes are played "
            f"by copies of it, and it cannot be copied ({type(error).__name__}: {error}). Give it "
            "a method vectorised(num_envs, autoreset_mode=...) that returns a vector environment."
        ) from error
    twin._np_random = twin._np_random_seed = None
    return twin


class _Row(gym.Wrapper[Any, Any, Any, Any]):
    """One copy; picks its own problem index out of the options for all rows.

    A finished episode has the conversation that was shown.
    """

    def __init__(self, env: gym.Env[Any, Any], row: int, num_envs: int) -> None:
        super().__init__(env)
        self._row, self._num_envs = row, num_envs
        self._read: Any = ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if options and "index" in options:
            indices = options["index"]
            if len(indices) != self._num_envs:
                raise ValueError(
                    f"options['index'] must hold one value for each of the {self._num_envs} "
                    f"sub-environments, got {len(indices)}."
                )
            options = {**options, "index": indices[self._row]}
        self._read, info = self.env.reset(seed=seed, options=options)
        return self._read, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        read = self._read
        self._read, reward, terminated, truncated, info = self.env.step(action)
        if isinstance(info.get("finished"), Episode):
            info = {**info, "finished": as_read(info["finished"], read)}
        return self._read, reward, terminated, truncated, info
