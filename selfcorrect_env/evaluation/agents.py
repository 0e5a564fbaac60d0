"""Agents: functions as agents, and the checks around `Agent.act`.

An agent gets conversations and nothing else, and returns one str for each. A `Reply` is a str that
also reports its number of tokens and whether the token cap cut it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfcorrect_env.types import Agent, Conversation, Message, ReplyFunction


class FunctionAgent:
    """A plain function ``(conversation) -> str`` as an `Agent`."""

    def __init__(self, function: ReplyFunction, name: str | None = None) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        """Answer one after another."""
        return [self.function(conversation) for conversation in conversations]

    def __repr__(self) -> str:
        return f"FunctionAgent({self.name})"


def as_agent(agent: Agent | ReplyFunction) -> Agent:
    """Return ``agent`` as an `Agent`: unchanged, or a plain function wrapped.

    Raises:
        TypeError: it is neither, or it is a class instead of an object.
    """
    if isinstance(agent, type):
        raise TypeError(
            f"Expected an agent, got the class {agent.__name__}; make an object of it first."
        )
    if isinstance(agent, Agent):
        return agent
    if callable(agent):
        return FunctionAgent(agent)
    raise TypeError(
        "An agent is an object with `act(conversations) -> replies` or a function "
        f"(conversation) -> str; got {type(agent).__name__}."
    )


def agent_name(agent: Agent) -> str:
    """Return the agent's ``name``, or its class's name if it has none."""
    name = getattr(agent, "name", None)
    return name if isinstance(name, str) else type(agent).__name__


def is_oracle(agent: Agent) -> bool:
    """Return whether the agent declares that it sees references (``oracle = True``)."""
    return getattr(agent, "oracle", False) is True


def attach(agent: Agent, env: Any) -> None:
    """Give an oracle the environment that it is about to play in: call ``agent.attach(env)``.

    Nothing happens if the agent is not an oracle, or has no method ``attach``.
    """
    show = getattr(agent, "attach", None)
    if is_oracle(agent) and callable(show):
        show(env)


def ask(agent: Agent, conversations: Sequence[Conversation]) -> list[str]:
    """Return the agent's reply to each conversation; the agent gets copies of them.

    Raises:
        TypeError: the agent did not return one str for each conversation.
    """
    copies = [tuple(_copy(message) for message in c) for c in conversations]
    replies = agent.act(copies)
    name, expected = agent_name(agent), f"act() returns one str for each of {len(copies)} "
    if isinstance(replies, str) or not isinstance(replies, Sequence):
        raise TypeError(
            f"Agent {name!r} returned a {type(replies).__name__}; "
            f"{expected}conversations, in a list."
        )
    if len(replies) != len(copies):
        raise TypeError(f"Agent {name!r} returned {len(replies)} replies; {expected}conversations.")
    for i, reply in enumerate(replies):
        if not isinstance(reply, str):
            raise TypeError(
                f"Agent {name!r} returned a {type(reply).__name__} ({reply!r:.60}) as reply {i}; "
                f"{expected}conversations."
            )
    return list(replies)


def _copy(message: Message) -> Message:
    return Message(role=message["role"], content=message["content"])
