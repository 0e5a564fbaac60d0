"""Runners: play an agent's episodes in one environment, as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import EpisodeError, UnsupportedEnvError
from selfcorrect_env.evaluation.agents import ask, copy_of
from selfcorrect_env.session import as_read
from selfcorrect_env.training_env import AnyEnv, TrainingEnv
from selfcorrect_env.types import Agent, Attempt, Conversation, Episode, Reason, Verdict
from selfcorrect_env.unwrapping import unwrap
from selfcorrect_env.vector_copies import is_modified


class Runner(ABC):
    """Plays chosen problems of one environment."""

    env: Any
    """The environment whose episodes are played, with its wrappers if they change an episode."""
    metadata: dict[str, Any]
    """``problem_set``, ``split``, ``size``, ``fingerprint``, ``verifier``, ``prompts`` and
    ``attempts``: the environment's part of `selfcorrect_env.evaluation.report.Measured`."""

    at_once: int | None = None
    """How many episodes can be in progress at the same time; None for any number."""

    @abstractmethod
    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems, in order, and return their finished episodes."""

    @abstractmethod
    def begin(self, index: int) -> Play:
        """Start an episode of one problem, whose index is the seed, beside those in progress."""


class Play:
    """An episode in progress, beside others.

    Args:
        conversation: the first one.
        step: gives the environment a reply; returns the conversation after it, and the episode if
            it is over.
    """

    def __init__(
        self,
        conversation: Conversation,
        step: Callable[[str], tuple[Conversation, Episode | None]],
    ) -> None:
        self.conversation = conversation
        self.replies: list[str] = []
        """The replies so far."""
        self.finished: Episode | None = None
        """The episode, once it is over."""
        self._step = step

    def step(self, reply: str) -> None:
        """Give the next reply."""
        self.conversation, self.finished = self._step(reply)
        self.replies.append(reply)

    def fail(self, cause: str) -> None:
        """End the episode without a further reply: its remaining attempts are `Reason.NO_REPLY`."""
        answered = len(self.replies)
        while self.finished is None:
            self.step("")
        missing = Verdict(0.0, Reason.NO_REPLY, detail=cause)
        attempts = self.finished.attempts
        self.finished = replace(
            self.finished,
            attempts=(
                *attempts[:answered],
                *(Attempt(reply="", verdict=missing) for _ in attempts[answered:]),
            ),
        )

    def shown(self) -> Conversation:
        """Return a copy of the conversation, in which the agent's replies are its own objects."""
        conversation = copy_of(self.conversation)
        spoken = [message for message in conversation if message["role"] == "assistant"]
        # from the end: a first attempt that the problem gives is no reply of the agent
        for message, reply in zip(reversed(spoken), reversed(self.replies), strict=False):
            if reply == message["content"]:
                message["content"] = reply
        return conversation


def runner_for(env: AnyEnv | TrainingEnv) -> Runner:
    """Return the runner for ``env``: a batched one if that plays the same episodes.

    A `SelfCorrectEnv` is stepped in a batch, through a vector environment that shares its problems,
    verifier and prompts; ``env`` itself is not touched. Two kinds of environment are stepped as
    they are, one episode after another: one whose wrappers may change what an agent reads or
    writes, and a subclass that replaces ``reset`` or ``step`` (a subclass with its own
    ``vectorised`` is stepped in a batch through that). So is any other environment with the same
    protocol: ``reset(options={"index": i})``, a ``problem_set`` in the info of reset and
    ``finished`` (an `Episode`) in that of the last step. Wrappers that change rewards alone do not
    matter here: metrics are computed from verdicts.

    Raises:
        UnsupportedEnvError: ``env`` is not an environment, or is one that cannot be run.
    """
    found = unwrap(env) if isinstance(env, gym.Env | VectorEnv) else None
    inner = env if found is None else found.env
    changing = () if found is None else found.changing_episodes
    if not changing and isinstance(inner, TrainingEnv) and not _must_be_stepped(inner):
        return BatchRunner(inner)
    if isinstance(env, gym.Env):
        return SingleRunner(env)
    if changing and isinstance(inner, TrainingEnv):
        raise UnsupportedEnvError(
            f"The wrapper {type(changing[0]).__name__} may change the episodes of a vector "
            "environment, which evaluation steps itself. Wrap a single environment instead."
        )
    raise UnsupportedEnvError(
        "Expected an environment's id, a gymnasium.Env or a SelfCorrectVectorEnv; "
        f"got {type(env).__name__}."
    )


class BatchRunner(Runner):
    """Plays a whole batch of problems at a time; replies of one turn are verified together."""

    def __init__(self, env: TrainingEnv) -> None:
        self._idle: list[Any] = [env.vectorised(1)]  # a class that cannot be vectorised says so
        self.env = env
        self.metadata = {
            "problem_set": env.problems.name,
            "split": env.problems.split,
            "size": len(env.problems),
            "fingerprint": env.problems.fingerprint,
            "verifier": env.verifier.name,
            "prompts": env.prompts.name,
            "attempts": env.attempts,
        }

    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems at the same time; a problem's index is the seed of its episode."""
        if not indices:
            return []
        batch = self.env.vectorised(len(indices))
        conversations, infos = batch.reset(seed=list(indices), options={"index": list(indices)})
        for _ in range(self.env.attempts):
            conversations, _, _, _, infos = batch.step(ask(agent, conversations))
        return [_finished(self.env, infos, row, index) for row, index in enumerate(indices)]

    def begin(self, index: int) -> Play:
        """Start an episode in a vector environment of one row; they are used again."""
        alone = self._idle.pop() if self._idle else self.env.vectorised(1)
        conversations, _ = alone.reset(seed=[index], options={"index": [index]})
        left = self.env.attempts

        def step(reply: str) -> tuple[Conversation, Episode | None]:
            nonlocal left
            left -= 1
            conversations, _, _, _, infos = alone.step([reply])
            if left:
                return conversations[0], None
            self._idle.append(alone)
            return conversations[0], _finished(self.env, infos, 0, index)

        return Play(conversations[0], step)


class SingleRunner(Runner):
    """Plays one problem after another in an environment that is stepped as it is."""

    at_once = 1

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
        self.metadata = {
            "problem_set": found["name"],
            "split": found["split"],
            "size": found["size"],
            "fingerprint": found["fingerprint"],
            "verifier": _name_of(inner, "verifier"),
            "prompts": _name_of(inner, "prompts"),
            "attempts": getattr(inner, "attempts", 2),
        }

    def play(self, agent: Agent, indices: Sequence[int]) -> list[Episode]:
        """Play these problems one by one; a problem's index is the seed of its episode."""
        return [self._play_one(agent, index) for index in indices]

    def _play_one(self, agent: Agent, index: int) -> Episode:
        play = self.begin(index)
        while play.finished is None:
            play.step(ask(agent, [play.conversation])[0])
        return play.finished

    def begin(self, index: int) -> Play:
        """Start an episode; one that is in progress must be over."""
        first, _ = self.env.reset(seed=index, options={"index": index})
        read: Conversation = first

        def step(reply: str) -> tuple[Conversation, Episode | None]:
            nonlocal read
            before = read
            read, _, terminated, truncated, info = self.env.step(reply)
            if not (terminated or truncated):
                return read, None
            episode = _finished(self.env, {"finished": [info.get("finished")]}, 0, index)
            return read, as_read(episode, before)

        return Play(first, step)


def _must_be_stepped(env: TrainingEnv) -> bool:
    own = type(env).vectorised is not SelfCorrectEnv.vectorised
    return isinstance(env, SelfCorrectEnv) and not own and is_modified(env, SelfCorrectEnv)


def _finished(env: object, infos: dict[str, Any], row: int, index: int) -> Episode:
    episodes = infos.get("finished")
    if episodes is None or not isinstance(episodes[row], Episode):
        raise EpisodeError(
            f"{env} ended the episode of problem {index} without an Episode in "
            "info['finished']; was it cut short by a wrapper such as TimeLimit?"
        )
    return episodes[row]


def _name_of(env: object, attribute: str) -> str:
    return getattr(getattr(env, attribute, None), "name", "unknown")
