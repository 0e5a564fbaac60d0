"""Agents: functions as agents, asynchronous agents, and the checks around their replies.

An agent gets conversations and nothing else, and returns one str for each. A `Reply` is a str that
also reports its number of tokens and whether the token cap cut it off.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, cast

from selfcorrect_env.types import Agent, Conversation, Message, ReplyFunction

CONCURRENCY = 32
"""Conversations that an asynchronous agent answers at the same time, if no number is given."""


class FunctionAgent:
    """A plain function ``(conversation) -> str`` as an `Agent`."""

    def __init__(self, function: Callable[[Conversation], str], name: str | None = None) -> None:
        self.function = function
        self.name = name or name_of(function)

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        """Answer one after another."""
        return [self.function(conversation) for conversation in conversations]

    def __repr__(self) -> str:
        return f"FunctionAgent({self.name})"


class AsyncAgent:
    """Base class of agents that wait for their replies, such as clients of a server.

    A subclass has ``async def answer``. `evaluate` calls it for many conversations at the same
    time, in one event loop, and enters the agent as an ``async with`` block around all of them: a
    subclass opens its connections in ``__aenter__`` and closes them in ``__aexit__``.
    """

    async def answer(self, conversation: Conversation, sample: int = 0) -> str:
        """Answer one conversation.

        Args:
            conversation: ends with the user's message. The content of an assistant's message is the
                `Reply` that this agent returned, if it returned one.
            sample: which sample of the problem this is, from 0: an agent with a seed draws another
                reply for each.

        Raises:
            NoReplyError: there is no reply for good; this episode is not judged.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method answer().")

    async def __aenter__(self) -> AsyncAgent:
        """Open what the replies need, in the event loop that they are awaited in."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        """Answer all conversations, `CONCURRENCY` at a time."""

        async def all_of_them() -> list[str]:
            turns = asyncio.Semaphore(CONCURRENCY)

            async def one(conversation: Conversation) -> str:
                async with turns:
                    return await self.answer(conversation)

            async with self:
                return await asyncio.gather(*map(one, conversations))

        with ThreadPoolExecutor(1) as thread:  # the caller's may have a running event loop
            return thread.submit(asyncio.run, all_of_them()).result()


class AsyncFunctionAgent(AsyncAgent):
    """An ``async def`` function ``(conversation) -> str`` as an `AsyncAgent`."""

    def __init__(self, function: Callable[[Conversation], Awaitable[str]]) -> None:
        self.function = function
        self.name = name_of(function)

    async def answer(self, conversation: Conversation, sample: int = 0) -> str:
        """Await the function."""
        return await self.function(conversation)

    def __repr__(self) -> str:
        return f"AsyncFunctionAgent({self.name})"


def as_agent(agent: Agent | ReplyFunction) -> Agent:
    """Return ``agent`` as an `Agent`: unchanged, or a function or an ``async def`` one wrapped.

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
        if _is_async(agent):
            return AsyncFunctionAgent(cast(Callable[[Conversation], Awaitable[str]], agent))
        return FunctionAgent(cast(Callable[[Conversation], str], agent))
    raise TypeError(
        "An agent is an object with `act(conversations) -> replies` or a function "
        f"(conversation) -> str; got {type(agent).__name__}."
    )


def name_of(function: object) -> str:
    """Return a function's name, or the name of the class of a callable object."""
    return getattr(function, "__name__", type(function).__name__)


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
    copies = [copy_of(conversation) for conversation in conversations]
    replies = agent.act(copies)
    name, expected = agent_name(agent), f"act() returns one str for each of {len(copies)} "
    if isinstance(replies, str) or not isinstance(replies, Sequence):
        raise TypeError(
            f"Agent {name!r} returned a value of type {type(replies).__name__}; "
            f"{expected}conversations, in a list."
        )
    if len(replies) != len(copies):
        count = "1 reply" if len(replies) == 1 else f"{len(replies)} replies"
        raise TypeError(f"Agent {name!r} returned {count}; {expected}conversations.")
    for i, reply in enumerate(replies):
        if not isinstance(reply, str):
            raise TypeError(
                f"Agent {name!r} returned a value of type {type(reply).__name__} ({reply!r:.60}) "
                f"as reply {i}; {expected}conversations."
            )
    return list(replies)


def copy_of(conversation: Conversation) -> Conversation:
    """Return a copy of a conversation, which an agent may change."""
    return tuple(Message(role=m["role"], content=m["content"]) for m in conversation)


def _is_async(function: object) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not whether it is there
    return inspect.iscoroutinefunction(inspect.unwrap(cast(Any, function))) or (
        inspect.iscoroutinefunction(call)
    )
