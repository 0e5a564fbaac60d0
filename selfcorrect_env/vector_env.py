"""`SelfCorrectVectorEnv`: many episodes in step, every reply of a step verified together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from selfcorrect_env.env_setup import Setup, SetupProperties
from selfcorrect_env.errors import EpisodeError, UnknownNameError, UnsupportedEnvError
from selfcorrect_env.problems.own_problems import Problems
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.session import Session, require_reply
from selfcorrect_env.spaces import ConversationSpace, ReplySpace, object_array
from selfcorrect_env.types import Conversation, Problem, ScoreFunction, Verifier
from selfcorrect_env.vector_copies import is_modified
from selfcorrect_env.verifiers.base import judge

Conversations = tuple[Conversation, ...]
RESET_OPTIONS = ("index", "reset_mask")


class SelfCorrectVectorEnv(SetupProperties, VectorEnv[Conversations, Sequence[str], NDArray[Any]]):
    """``num_envs`` episodes of `SelfCorrectEnv`, stepped together.

    Sub-environment ``i`` plays exactly what a single environment seeded with ``seed + i``
    plays. Observations are a tuple of conversations; actions a sequence of replies; rewards
    a (num_envs,) float64 array; infos are gymnasium's dict of arrays with ``_key`` masks, with
    the keys of `SelfCorrectEnv`. In every autoreset mode the results equal those of
    ``gymnasium.vector.SyncVectorEnv`` with single environments. The difference: it is faster,
    because the verifier gets all replies of a step at once.

    Args:
        num_envs: the number of sub-environments, ≥ 1.
        problems: as in `SelfCorrectEnv`, like the next five arguments and ``options``.
        split: the split.
        verifier: the verifier that judges the replies.
        prompts: the texts around a problem.
        attempts: attempts in an episode.
        defaults: the problem set whose verifier and prompts are the defaults.
        render_mode: must be None; single environments render.
        max_episode_steps: None, or more than ``attempts``, which changes nothing; gymnasium passes
            the number of an id that was registered with one.
        autoreset_mode: what happens after an episode's end. ``SAME_STEP``: the next episode
            starts in the same step; the ended one's observation and info are in
            ``infos["final_obs"]`` and ``infos["final_info"]``. ``NEXT_STEP``: the next
            ``step`` ignores the reply and starts the next episode. ``DISABLED``: call
            ``reset``, for some of them with ``options={"reset_mask": mask}``.
        options: further options of the problem set.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  gymnasium's, which instances may replace
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        problems: Problems = "arithmetic",
        *,
        split: str | None = None,
        verifier: str | Verifier | ScoreFunction | None = None,
        prompts: str | Prompts | None = None,
        attempts: int = 2,
        defaults: str | None = None,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        **options: Any,
    ) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise ValueError(f"num_envs must be an int of at least 1, got {num_envs!r}.")
        if render_mode is not None:
            raise ValueError(
                "A vector environment does not render; make a single one with gym.make(id, "
                f"render_mode={render_mode!r})."
            )
        if max_episode_steps is not None and max_episode_steps <= attempts:
            raise ValueError(
                f"max_episode_steps must be above the {attempts} attempts of an episode, got "
                f"{max_episode_steps}: this vector environment does not cut episodes short. "
                'gym.make_vec(id, num_envs, vectorization_mode="sync") does.'
            )
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._setup = Setup.resolve(
            problems,
            split=split,
            verifier=verifier,
            prompts=prompts,
            attempts=attempts,
            defaults=defaults,
            options=options,
        )
        self._sessions: list[Session | None] = [None] * num_envs
        self._generators: list[tuple[np.random.Generator, int] | None] = [None] * num_envs
        """Each sub-environment's source of randomness with its seed; None until it is needed."""
        self.render_mode = None
        self.single_observation_space = ConversationSpace()
        self.single_action_space = ReplySpace()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @classmethod
    def like(
        cls,
        env: SetupProperties,
        num_envs: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> SelfCorrectVectorEnv:
        """Return a vector environment that shares ``env``'s problems, verifier and prompts.

        Nothing else of ``env`` is used. ``env.vectorised(num_envs)`` also runs the methods of a
        subclass.
        """
        return cls(
            num_envs,
            env.problems,
            verifier=env.verifier,
            prompts=env.prompts,
            attempts=env.attempts,
            autoreset_mode=autoreset_mode,
        )

    def vectorised(
        self, num_envs: int, *, autoreset_mode: AutoresetMode | str = AutoresetMode.DISABLED
    ) -> VectorEnv[Any, Any, Any]:
        """Return a new vector environment of ``num_envs`` rows that plays the same episodes.

        Raises:
            UnsupportedEnvError: the class replaces ``reset`` or ``step`` and has no
                ``vectorised`` of its own.
        """
        if is_modified(self, SelfCorrectVectorEnv):
            raise UnsupportedEnvError(
                f"{type(self).__name__} replaces methods of SelfCorrectVectorEnv, and only the "
                "class itself can create one with another number of rows. Give it a "
                "method vectorised(num_envs, *, autoreset_mode) that returns one."
            )
        return SelfCorrectVectorEnv.like(self, num_envs, autoreset_mode=autoreset_mode)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Conversations, dict[str, Any]]:
        """Start an episode in every sub-environment, or in some.

        Args:
            seed: an int seeds sub-environment ``i`` with ``seed + i``; a sequence gives each
                its own.
            options: ``"index"``, one problem index for each sub-environment, selects the
                problems; ``"reset_mask"``, a (num_envs,) bool array, resets where it is True.

        Raises:
            ValueError: a sequence is not num_envs long, or the mask has no True.
            IndexError: there is no problem of an index.
            UnknownNameError: there is no such option.
        """
        options = options or {}
        for name in options:
            if name not in RESET_OPTIONS:
                raise UnknownNameError.of("option of reset", name, RESET_OPTIONS)
        # everything is checked first: an invalid argument changes no episode
        rows = self._rows_to_reset(options.get("reset_mask"))
        chosen = self._find_problems(options.get("index"))
        seeds = self._seeds(seed)
        seeded = {row: seeding.np_random(seeds[row]) for row in rows if seeds[row] is not None}
        for row in rows:
            self._generators[row] = seeded.get(row, self._generators[row])
            self._start(row, chosen[row])
        infos = [s.info() if s and row in rows else None for row, s in enumerate(self._sessions)]
        return self._observations(), batch_infos(infos)

    def step(
        self, actions: Sequence[str]
    ) -> tuple[Conversations, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Give every sub-environment its next reply.

        Args:
            actions: num_envs replies. Those of sub-environments that only reset in this step
                (``NEXT_STEP``) are ignored.

        Raises:
            TypeError: a reply is not a str; no episode has changed then.
            ValueError: there are more or fewer replies than sub-environments.
            EpisodeError: a sub-environment has no episode in progress.
        """
        self._require_length("actions", actions)
        sessions = self._in_progress()
        playing = [row for row, session in enumerate(sessions) if not session.over]
        replies = [require_reply(actions[row]) for row in playing]
        problems = [sessions[row].problem for row in playing]
        verdicts = judge(self.verifier, problems, replies) if playing else []
        rewards = np.zeros(self.num_envs)
        terminations = np.zeros(self.num_envs, dtype=bool)
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        for row, reply, verdict in zip(playing, replies, verdicts, strict=True):
            session = sessions[row]
            session.add(reply, verdict)
            rewards[row] = verdict.score
            terminations[row] = session.over
            infos[row] = session.info()
        for row, session in enumerate(sessions):
            if not session.over:
                continue
            if not terminations[row]:  # NEXT_STEP: ended in the step before
                infos[row] = self._start(row).info()
            elif self.autoreset_mode == AutoresetMode.SAME_STEP:
                final = {"final_obs": session.observation(), "final_info": infos[row]}
                infos[row] = self._start(row).info() | final
        truncations = np.zeros(self.num_envs, dtype=bool)
        return self._observations(), rewards, terminations, truncations, batch_infos(infos)

    @property
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The source of randomness of each sub-environment, as ``SyncVectorEnv`` has them."""
        return tuple(self._source(row)[0] for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each of them; a random one where ``reset`` was given none."""
        return tuple(self._source(row)[1] for row in range(self.num_envs))

    def __repr__(self) -> str:
        name = self.spec.id if self.spec is not None else type(self).__name__
        return f"<{name} × {self.num_envs}: {self._setup}>"

    # -- the parts of reset and step ----------------------------------------------------
    def _rows_to_reset(self, mask: Any) -> Sequence[int]:
        if mask is None:
            return range(self.num_envs)
        self._require_length("options['reset_mask']", mask)
        flags = np.asarray(mask)
        if flags.dtype != bool or flags.ndim != 1:
            raise TypeError(
                f"options['reset_mask'] must be a ({self.num_envs},) array of bool, got "
                f"shape {flags.shape} of {flags.dtype}."
            )
        if not flags.any():
            raise ValueError("options['reset_mask'] must be True somewhere.")
        return np.flatnonzero(flags).tolist()

    def _find_problems(self, indices: Any) -> Sequence[Problem | None]:
        if indices is None:
            return [None] * self.num_envs
        self._require_length("options['index']", indices)
        return [self._setup.find_problem(index) for index in indices]

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int):
            return [seed + row for row in range(self.num_envs)]
        self._require_length("seed", seed)
        return seed

    def _require_length(self, name: str, values: Any) -> None:
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(
                f"{name} must hold one value for each of the {self.num_envs} sub-environments, "
                f"got {type(values).__name__}."
            )
        if len(values) != self.num_envs:
            raise ValueError(
                f"{name} must hold one value for each of the {self.num_envs} sub-environments, "
                f"got {len(values)}."
            )

    def _start(self, row: int, problem: Problem | None = None) -> Session:
        if problem is None:
            problem = self._setup.draw_problem(self._source(row)[0])
        self._sessions[row] = session = Session(problem, self._setup)
        return session

    def _source(self, row: int) -> tuple[np.random.Generator, int]:
        """Return a sub-environment's source of randomness with its seed, a random one if needed."""
        source = self._generators[row]
        if source is None:
            source = self._generators[row] = seeding.np_random()
        return source

    def _in_progress(self) -> list[Session]:
        """Return all sessions; raise if one of them cannot be stepped in this autoreset mode."""
        sessions = [session for session in self._sessions if session is not None]
        if len(sessions) < self.num_envs:
            raise EpisodeError("step() was called before reset().")
        if self.autoreset_mode == AutoresetMode.DISABLED:
            ended = [row for row, session in enumerate(sessions) if session.over]
            if ended:
                raise EpisodeError(
                    f"step() was called after the end of the episodes of sub-environments {ended};"
                    " reset them first: reset(options={'reset_mask': terminations})."
                )
        return sessions

    def _observations(self) -> Conversations:
        return tuple([() if s is None else s.observation() for s in self._sessions])


def batch_infos(infos: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Combine the infos of sub-environments as gymnasium's vector environments do.

    Args:
        infos: one for each sub-environment; None or empty if it has none.

    Returns:
        For every key an array over the sub-environments: of int if the values are, otherwise of
        object. Its mask, ``_key``, says which of them have the key. A dict becomes a dict of
        arrays in the same way.
    """
    columns: dict[str, dict[int, Any]] = {}
    for row, info in enumerate(infos):
        if info:
            for key, value in info.items():
                columns.setdefault(key, {})[row] = value
    batch: dict[str, Any] = {}
    for key, column in columns.items():
        rows = list(column)
        kind = type(column[rows[0]])
        if kind is dict:
            batch[key] = batch_infos([column.get(row) for row in range(len(infos))])
        elif kind is int:
            batch[key] = np.array([column.get(row, 0) for row in range(len(infos))])
        else:
            batch[key] = object_array([column.get(row) for row in range(len(infos))])
        batch[f"_{key}"] = mask = np.zeros(len(infos), dtype=bool)
        mask[rows] = True
    return batch
