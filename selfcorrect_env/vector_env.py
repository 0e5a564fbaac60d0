"""`SelfCorrectVectorEnv`: many episodes in step, every reply of a step verified together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError, UnknownNameError
from selfcorrect_env.problems import ProblemSet
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.session import Problems, Session, Setup, attempt_of, require_reply
from selfcorrect_env.spaces import ConversationSpace, ReplySpace, object_array
from selfcorrect_env.types import Conversation, ScoreFunction, Verifier
from selfcorrect_env.verifiers.base import judge

Conversations = tuple[Conversation, ...]
RESET_OPTIONS = ("index", "reset_mask")


class SelfCorrectVectorEnv(VectorEnv[Conversations, Sequence[str], NDArray[Any]]):
    """``num_envs`` episodes of `SelfCorrectEnv`, stepped together.

    Sub-environment ``i`` plays exactly what a single environment seeded with ``seed + i``
    plays. Observations are a tuple of conversations; actions a sequence of replies; rewards
    a (num_envs,) float64 array; infos are gymnasium's dict of arrays with ``_key`` masks,
    with the keys of `SelfCorrectEnv` (``problem_set`` after ``reset`` alone).

    Args:
        num_envs: how many episodes, ≥ 1.
        problems: as in `SelfCorrectEnv`, as are the next five.
        split: which split.
        verifier: who judges.
        prompts: the texts around a problem.
        attempts: attempts in an episode.
        render_mode: must be None; single environments render.
        autoreset_mode: what happens after an episode's end. ``SAME_STEP``: the next episode
            starts in the same step; the ended one's observation and info are in
            ``infos["final_obs"]`` and ``infos["final_info"]``. ``NEXT_STEP``: the next
            ``step`` ignores the reply and starts the next episode. ``DISABLED``: call
            ``reset``, for some of them with ``options={"reset_mask": mask}``.
        options: further options of the named problem set.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        problems: Problems = "arithmetic",
        *,
        split: str = "test",
        verifier: str | Verifier | ScoreFunction | None = None,
        prompts: str | Prompts | None = None,
        attempts: int = 2,
        render_mode: str | None = None,
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
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._setup = Setup.resolve(problems, split, verifier, prompts, attempts, options)
        self._sessions: list[Session | None] = [None] * num_envs
        self._over = np.ones(num_envs, dtype=bool)
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self.render_mode = None
        self.single_observation_space = ConversationSpace()
        self.single_action_space = ReplySpace()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @classmethod
    def like(
        cls,
        env: SelfCorrectEnv | SelfCorrectVectorEnv,
        num_envs: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> SelfCorrectVectorEnv:
        """Return a vector environment that shares ``env``'s problems, verifier and prompts."""
        return cls(
            num_envs,
            env.problems,
            verifier=env.verifier,
            prompts=env.prompts,
            attempts=env.attempts,
            autoreset_mode=autoreset_mode,
        )

    @property
    def problems(self) -> ProblemSet:
        """The problem set."""
        return self._setup.problems

    @property
    def verifier(self) -> Verifier:
        """Who judges the replies."""
        return self._setup.verifier

    @property
    def prompts(self) -> Prompts:
        """The texts around a problem."""
        return self._setup.prompts

    @property
    def attempts(self) -> int:
        """Attempts in an episode."""
        return self._setup.attempts

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
            options: ``"index"``, one problem index for each sub-environment, picks the
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
        rows = self._rows_to_reset(options.get("reset_mask"))
        for row, row_seed in zip(rows, self._seeds(seed, rows), strict=True):
            if row_seed is not None:
                self._generators[row] = seeding.np_random(row_seed)[0]
        chosen = options.get("index")
        if chosen is not None:
            self._require_length("options['index']", chosen)
            # checked as a whole first: a bad index must leave every episode as it was
            chosen = [self._setup.index_of(index, None) for index in chosen]
        for row in rows:
            self._start(row, None if chosen is None else chosen[row])
        infos = self._infos(rows)
        facts = self._setup.facts()
        mask = infos["_problem_id"]
        infos["problem_set"] = {
            key: np.array([value] * self.num_envs) for key, value in facts.items()
        }
        infos["problem_set"] |= {f"_{key}": mask.copy() for key in facts}
        infos["_problem_set"] = mask.copy()
        return self._observations(), infos

    def step(
        self, actions: Sequence[str]
    ) -> tuple[Conversations, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Give every sub-environment its next reply.

        Args:
            actions: num_envs replies. Those of sub-environments that only reset in this step
                (``NEXT_STEP``) are ignored.

        Raises:
            TypeError: a reply is no str; nothing has changed then.
            ValueError: there are more or fewer replies than sub-environments.
            EpisodeError: a sub-environment has no episode under way.
        """
        self._require_length("actions", actions)
        playing, resetting = self._divide()
        replies = [require_reply(actions[row]) for row in playing]
        sessions = [self._session(row) for row in playing]
        verdicts = judge(self.verifier, [s.problem for s in sessions], replies)
        rewards = np.zeros(self.num_envs)
        self._over[:] = False
        for row, session, reply, verdict in zip(playing, sessions, replies, verdicts, strict=True):
            self._over[row] = session.add(attempt_of(reply, verdict), self._setup)
            rewards[row] = verdict.score
        over = self._over.copy()
        for row in resetting:
            self._start(row, None)
        infos = self._infos(range(self.num_envs))
        if self.autoreset_mode == AutoresetMode.SAME_STEP and over.any():
            infos = self._reset_ended(over, infos)
        return self._observations(), rewards, over, np.zeros(self.num_envs, dtype=bool), infos

    def __repr__(self) -> str:
        name = self.spec.id if self.spec is not None else type(self).__name__
        return f"<{name} × {self.num_envs}: {self._setup}>"

    # -- the parts of reset and step ----------------------------------------------------
    def _rows_to_reset(self, mask: Any) -> list[int]:
        if mask is None:
            return list(range(self.num_envs))
        self._require_length("options['reset_mask']", mask)
        rows = np.flatnonzero(np.asarray(mask, dtype=bool)).tolist()
        if not rows:
            raise ValueError("options['reset_mask'] must be True somewhere.")
        return rows

    def _seeds(
        self, seed: int | Sequence[int | None] | None, rows: Sequence[int]
    ) -> list[int | None]:
        if seed is None:
            return [None] * len(rows)
        if isinstance(seed, int):
            return [seed + row for row in rows]
        self._require_length("seed", seed)
        return [seed[row] for row in rows]

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

    def _start(self, row: int, index: int | None) -> None:
        if index is None:
            generator = self._generators[row]
            if generator is None:
                generator = self._generators[row] = seeding.np_random()[0]
            index = int(generator.integers(len(self.problems)))
        self._sessions[row] = Session(self.problems[index], self.prompts)
        self._over[row] = False

    def _session(self, row: int) -> Session:
        session = self._sessions[row]
        if session is None:
            raise EpisodeError("step() was called before reset().")
        return session

    def _divide(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return the rows that play in this step, and those that only reset in it."""
        rows = range(self.num_envs)
        if not self._over.any() or self._sessions[0] is None:
            return rows, ()
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            return np.flatnonzero(~self._over).tolist(), np.flatnonzero(self._over).tolist()
        ended = np.flatnonzero(self._over).tolist()
        raise EpisodeError(
            f"step() was called after the end of the episodes of sub-environments {ended}; reset "
            "them first: reset(options={'reset_mask': terminations})."
        )

    def _reset_ended(self, over: NDArray[Any], infos: dict[str, Any]) -> dict[str, Any]:
        """Start the next episode where one ended; what ended moves to the final observation."""
        ended = np.flatnonzero(over).tolist()
        final_observations: list[Conversation | None] = [None] * self.num_envs
        for row in ended:
            final_observations[row] = self._session(row).observation()
        for row in ended:
            self._start(row, None)
        final_infos = _masked(infos, over)
        after = self._infos(range(self.num_envs))
        return {
            **after,
            "final_obs": object_array(final_observations),
            "_final_obs": over.copy(),
            "final_info": final_infos,
            "_final_info": over.copy(),
        }

    def _observations(self) -> Conversations:
        return tuple(() if s is None else s.observation() for s in self._sessions)

    def _infos(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return the infos of ``rows`` as gymnasium lays them out: an array and a mask a key."""
        count = self.num_envs
        columns: dict[str, list[Any]] = {"problem_id": [None] * count, "attempt": [0] * count}
        present = {"problem_id": np.zeros(count, dtype=bool)}
        for row in rows:
            session = self._session(row)
            taken = len(session.attempts)
            present["problem_id"][row] = True
            columns["problem_id"][row] = session.problem.id
            columns["attempt"][row] = taken
            if taken:
                self._put(columns, present, "verdict", row, session.attempts[-1].verdict)
            if taken >= self.attempts:
                episode = session.finished()
                self._put(columns, present, "finished", row, episode)
                self._put(columns, present, "transition", row, episode.transition)
        present["attempt"] = present["problem_id"].copy()
        infos: dict[str, Any] = {}
        for key, values in columns.items():
            infos[key] = np.array(values) if key == "attempt" else object_array(values)
            infos[f"_{key}"] = present[key]
        return infos

    def _put(
        self, columns: dict[str, list[Any]], present: dict[str, Any], key: str, row: int, value: Any
    ) -> None:
        if key not in columns:
            columns[key] = [None] * self.num_envs
            present[key] = np.zeros(self.num_envs, dtype=bool)
        columns[key][row] = value
        present[key][row] = True


def _masked(infos: dict[str, Any], rows: NDArray[Any]) -> dict[str, Any]:
    """Return the part of ``infos`` that belongs to ``rows``."""
    masked: dict[str, Any] = {}
    for key, values in infos.items():
        if key.startswith("_"):
            continue
        keep = infos[f"_{key}"] & rows
        if keep.any():
            masked[key] = np.where(keep, values, 0 if values.dtype == int else None)
            masked[f"_{key}"] = keep
    return masked
