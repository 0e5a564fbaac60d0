"""`ServedEnvironment`: one session of an OpenEnv server plays one episode after another."""

# pyright: reportMissingImports=false
from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import gymnasium as gym
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import EnvironmentMetadata

import selfcorrect_env
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError, RequestError, UnknownProblemSetError
from selfcorrect_env.serving.openenv.models import (
    SelfCorrectAction,
    SelfCorrectObservation,
    SelfCorrectState,
    as_utf8,
    carried,
    public_verdict,
)
from selfcorrect_env.types import Conversation, Reply, Verdict

PREVIEW = 1000
"""Tasks that ``list_tasks`` returns at most; ``num_tasks`` counts all."""

_LOG = logging.getLogger(__name__)


class ServedEnvironment(Environment[SelfCorrectAction, SelfCorrectObservation, SelfCorrectState]):
    """A session: its own episode, over problem sets and a verifier that all sessions share.

    Args:
        envs: an environment for each split; its first split is the default. They are not played
            themselves.
        name: the environment's name, as ``/metadata`` shows it.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, envs: Mapping[str, SelfCorrectEnv], name: str = "selfcorrect") -> None:
        super().__init__()
        self._envs = envs
        self._name = name
        self._playing: dict[str, SelfCorrectEnv] = {}
        self._current: SelfCorrectEnv | None = None
        self._state = SelfCorrectState()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        split: str | None = None,
        index: int | None = None,
        id: str | None = None,
        **unknown: Any,
    ) -> SelfCorrectObservation:
        """Start an episode.

        Args:
            seed: of the random problem.
            episode_id: a name for the episode; by default a random one.
            split: the split; by default the first.
            index: of the problem in its split, from 0, instead of a random problem.
            id: of the problem, instead of a random problem.
            unknown: nothing else is accepted.

        Raises:
            RequestError: an argument is unknown, of a wrong type or out of range.
        """
        if unknown:
            known = "seed, episode_id, split, index, id"
            raise RequestError(f"reset has no field {next(iter(unknown))!r:.60}. Known: {known}.")
        split, env = self._env_of(split)
        try:
            conversation, info = env.reset(seed=seed, options={"index": index, "id": id})
        except (gym.error.Error, IndexError, TypeError, UnknownProblemSetError) as error:
            raise RequestError(str(error)) from error
        self._current = env
        self._state = SelfCorrectState(
            episode_id=episode_id or str(uuid4()), split=split, problem_id=info["problem_id"]
        )
        return self._observation(conversation, {"problem_set": info["problem_set"]})

    def step(
        self, action: SelfCorrectAction, timeout_s: float | None = None, **unknown: Any
    ) -> SelfCorrectObservation:
        """Give the next reply.

        Args:
            action: the reply.
            timeout_s: not used: the verifier limits its own time.
            unknown: not used: OpenEnv's server may pass further fields.

        Raises:
            EpisodeError: no episode is under way.
        """
        if self._current is None:
            raise EpisodeError(
                "step was called before reset. An episode lives as long as its WebSocket session "
                "(/ws): over plain HTTP each request is a session of its own."
            )
        reply = Reply(action.reply, tokens=action.tokens, truncated=action.truncated)
        conversation, _, done, _, info = self._current.step(reply)
        verdict: Verdict = info["verdict"]
        if not verdict.judged:  # the cause may quote the reference, which stays on the server
            _LOG.warning("%s was not judged: %s", self._state.problem_id, verdict.detail)
        state = self._state
        state.step_count = info["attempt"]
        state.rewards = [*state.rewards, verdict.score if verdict.judged else None]
        state.done = bool(done)
        metadata: dict[str, Any] = {"verdict": public_verdict(verdict)}
        if done:
            metadata["transition"] = info["transition"] and info["transition"].value
        return self._observation(conversation, metadata)

    @property
    def state(self) -> SelfCorrectState:
        """The state of the episode."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """Return what ``/metadata`` shows."""
        return EnvironmentMetadata(
            name=self._name,
            description="A problem is answered, and answered again after a fixed instruction that "
            f"there might be an error. Splits: {', '.join(self._envs)}.",
            version=selfcorrect_env.__version__,
        )

    def list_splits(self) -> list[str]:
        """Return the names of the splits."""
        return list(self._envs)

    def num_tasks(self, split: str) -> int:
        """Return the number of problems of a split."""
        return len(self._env_of(split)[1].problems)

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Return the first `PREVIEW` tasks of a split."""
        return self.get_task_range(split, stop=PREVIEW)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Return one task: its ``id``, ``index``, ``split`` and first ``messages``.

        Raises:
            IndexError: ``index`` is outside the split.
        """
        if index < 0:
            raise IndexError(f"index counts from 0, got {index}.")
        env = self._env_of(split)[1]
        problem = env.problems[index]
        messages = carried(env.prompts.first(problem))
        return {"id": as_utf8(problem.id), "index": index, "split": split, "messages": messages}

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the tasks ``start`` to ``stop`` of a split, as a slice."""
        chosen = range(self.num_tasks(split))[start:stop]
        return [self.get_task(split, index) for index in chosen]

    def _env_of(self, split: str | None) -> tuple[str, SelfCorrectEnv]:
        """Return a split's name and this session's own environment of it."""
        if split is None:
            split = next(iter(self._envs))
        if not isinstance(split, str) or split not in self._envs:
            known = ", ".join(map(repr, self._envs))
            raise RequestError(f"There is no split {split!r:.60}. Known: {known}.")
        if split not in self._playing:
            self._playing[split] = self._envs[split].copy()
        return split, self._playing[split]

    def _observation(
        self, conversation: Conversation, metadata: dict[str, Any]
    ) -> SelfCorrectObservation:
        state = self._state
        common = {
            "problem_id": as_utf8(state.problem_id),
            "attempt": state.step_count,
            "attempts": self._current.attempts if self._current else 0,
            "rewards": list(state.rewards),
        }
        return SelfCorrectObservation(
            messages=carried(conversation),
            done=state.done,
            reward=state.rewards[-1] if state.rewards else None,
            metadata={**common, **metadata},
        )
