"""`Session`: one episode in progress in an environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from selfcorrect_env.env_setup import Setup
from selfcorrect_env.types import Attempt, Conversation, Episode, Message, Problem, Reply, Verdict


class Session:
    """An episode in progress: its problem, its conversation and the attempts so far."""

    __slots__ = ("attempts", "conversation", "problem", "setup")

    def __init__(self, problem: Problem, setup: Setup) -> None:
        self.problem = problem
        self.setup = setup
        self.conversation: Conversation = setup.prompts.first(problem)
        self.attempts: tuple[Attempt, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the last attempt has been made."""
        return len(self.attempts) >= self.setup.attempts

    def add(self, reply: str, verdict: Verdict) -> None:
        """Record an attempt, and append the correction instruction unless it was the last."""
        known = reply if isinstance(reply, Reply) else Reply(reply)
        attempt = Attempt(
            reply=reply, verdict=verdict, tokens=known.tokens, truncated=known.truncated
        )
        self.attempts = (*self.attempts, attempt)
        if self.over:
            last = Message(role="assistant", content=str(reply))
            self.conversation = (*self.conversation, last)
        else:
            self.conversation = self.setup.prompts.correct(self.conversation, reply)

    def observation(self) -> Conversation:
        """Return a copy of the conversation, which a caller may keep or change."""
        return tuple([message.copy() for message in self.conversation])

    def info(self) -> dict[str, Any]:
        """Return a new info dict of the last reset or step, as `SelfCorrectEnv` describes it."""
        taken = len(self.attempts)
        info: dict[str, Any] = {"problem_id": self.problem.id, "attempt": taken}
        if not taken:
            info["problem_set"] = self.setup.problems.summary()
            return info
        info["verdict"] = self.attempts[-1].verdict
        if self.over:
            info["finished"] = episode = Episode(
                problem=self.problem, attempts=self.attempts, conversation=self.observation()
            )
            info["transition"] = episode.transition
        return info


def as_read(episode: Episode, conversation: Conversation) -> Episode:
    """Return an episode with what the agent read before its last reply, and that reply.

    A subclass or a wrapper may show other messages than those that the session keeps.
    """
    last = Message(role="assistant", content=str(episode.attempts[-1].reply))
    return replace(episode, conversation=(*conversation, last))


def require_reply(reply: object) -> str:
    """Return ``reply`` if it is a str; otherwise raise a TypeError that says what was expected."""
    if isinstance(reply, str):
        return reply
    raise TypeError(
        f"A reply must be a str, got {type(reply).__name__} ({reply!r:.60}). "
        "Decode token ids to text first."
    )
