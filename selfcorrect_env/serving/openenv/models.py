"""What goes over the wire: the action, the observation and the state, as OpenEnv's models."""

# pyright: reportMissingImports=false
from __future__ import annotations

from typing import Annotated, Any

from openenv.core.env_server.interfaces import Message
from openenv.core.env_server.types import Action, Observation, State
from pydantic import BeforeValidator, Field

from selfcorrect_env.types import Conversation, Verdict


def as_utf8(value: Any) -> Any:
    """Return a text with U+FFFD for each lone surrogate, which JSON over UTF-8 cannot carry.

    Anything else is returned as it is.
    """
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


Text = Annotated[str, BeforeValidator(as_utf8)]
"""Any text; lone surrogates are replaced."""


class SelfCorrectAction(Action):
    """A reply: one attempt at the problem."""

    reply: Text = Field(description="What the model wrote; any text is scored")
    tokens: int | None = Field(default=None, ge=0, description="Number of sampled tokens")
    truncated: bool | None = Field(
        default=None, description="Whether the token cap cut the reply off"
    )


class SelfCorrectObservation(Observation):
    """The conversation so far. Only ``messages`` is for the model.

    ``reward`` is the score of the last reply in [0, 1], and None after a reset or if the reply
    could not be judged. ``metadata`` is for learners and logs: ``problem_id``, ``problem_set``
    (after a reset), ``attempt``, ``attempts``, ``rewards`` (one for each turn so far), ``verdict``
    (``score``, ``reason``, ``judged``, ``answer``) and, after the last attempt, ``transition``.
    """

    messages: list[Message] = Field(
        default_factory=list, description="The conversation, ready for a chat template"
    )


class SelfCorrectState(State):
    """The state of a session's episode."""

    split: str | None = Field(default=None, description="Split of the problem")
    problem_id: str | None = Field(default=None, description="Id of the problem")
    rewards: list[float | None] = Field(
        default_factory=list, description="Reward of each turn; null if it was not judged"
    )
    done: bool = Field(default=False, description="Whether the last attempt has been made")


def carried(conversation: Conversation) -> list[Message]:
    """Return a conversation as an observation carries it."""
    return [Message(role=m["role"], content=as_utf8(m["content"])) for m in conversation]


def public_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict without its detail, which may quote the reference or a hidden test."""
    return {
        "score": verdict.score,
        "reason": verdict.reason.value,
        "judged": verdict.judged,
        "answer": as_utf8(verdict.answer),
    }
