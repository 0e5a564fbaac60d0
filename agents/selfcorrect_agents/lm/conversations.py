"""Reading a conversation: which attempt is asked for, what was asked at first, and in which form.

All of it is what every agent sees: messages. Nothing here knows the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from selfcorrect_env import PROMPTS, Conversation, Reply

TASKS = ("arithmetic", "toycode", "math", "code", "answer-tags", "plain")
"""What `task_of` can tell: the known prompts that have a correction instruction of their own."""

_TASK_OF = {PROMPTS[name].correction: name for name in TASKS}

Answerer = Callable[[Sequence[Conversation]], Sequence[Reply]]


def first_prompt(conversation: Conversation) -> Conversation:
    """Return the messages before the first reply: what was asked at the first attempt."""
    for place, message in enumerate(conversation):
        if message["role"] == "assistant":
            return conversation[:place]
    return conversation


def last_reply(conversation: Conversation) -> str | None:
    """Return the latest reply that stands in the conversation, or None at a first attempt."""
    for message in reversed(conversation):
        if message["role"] == "assistant":
            return message["content"]
    return None


def task_of(conversation: Conversation) -> str | None:
    """Return which of `TASKS` asks for the correction, by the last message; None if none does.

    The correction instructions of `selfcorrect_env.prompts.PROMPTS` are told apart by their
    text; all prompts for mathematics share one, and so do all for code.
    """
    return _TASK_OF.get(conversation[-1]["content"])


def by_attempt(
    conversations: Sequence[Conversation], first: Answerer, later: Answerer
) -> list[Reply]:
    """Answer first attempts with ``first`` and those after a reply with ``later``, each in a batch.

    Returns:
        The replies in the order of ``conversations``.
    """
    replies: dict[int, Reply] = {}
    for answer, wanted in ((first, False), (later, True)):
        places = [i for i, c in enumerate(conversations) if (last_reply(c) is not None) is wanted]
        if places:
            answered = answer([conversations[i] for i in places])
            replies.update(zip(places, answered, strict=True))
    return [replies[i] for i in range(len(conversations))]


def added(before: Sequence[Conversation], after: Sequence[Conversation]) -> list[Conversation]:
    """Return the messages that the environment appended after each row's reply."""
    return [new[len(old) + 1 :] for old, new in zip(before, after, strict=True)]
