"""Reading a conversation: its first prompt, its last reply, and the answer format that it requires.

These functions use only the messages, which every agent sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from selfcorrect_env import Conversation, Reply, prompts_of

Answerer = Callable[[Sequence[Conversation]], Sequence[Reply]]


def first_prompt(conversation: Conversation) -> Conversation:
    """Return the messages before the first reply: the prompt of the first attempt."""
    for index, message in enumerate(conversation):
        if message["role"] == "assistant":
            return conversation[:index]
    return conversation


def last_reply(conversation: Conversation) -> str | None:
    """Return the latest reply in the conversation, or None at a first attempt."""
    for message in reversed(conversation):
        if message["role"] == "assistant":
            return message["content"]
    return None


def requested_answers(conversation: Conversation) -> str:
    """Return the name of the verifier whose answer format the last message requires.

    Named prompts, those of other packages included, are identified by their correction instruction
    (`selfcorrect_env.prompts_of`).

    Returns:
        `Prompts.answers`; "" if the last message is no known instruction.
    """
    prompts = prompts_of(conversation[-1]["content"])
    return "" if prompts is None else prompts.answers


def by_attempt(
    conversations: Sequence[Conversation], first: Answerer, later: Answerer
) -> list[Reply]:
    """Answer first attempts with ``first`` and those after a reply with ``later``, each in a batch.

    Returns:
        The replies in the order of ``conversations``.
    """
    replies: dict[int, Reply] = {}
    for answer, wanted in ((first, False), (later, True)):
        indices = [i for i, c in enumerate(conversations) if (last_reply(c) is not None) is wanted]
        if indices:
            answered = answer([conversations[i] for i in indices])
            replies.update(zip(indices, answered, strict=True))
    return [replies[i] for i in range(len(conversations))]


def added(before: Sequence[Conversation], after: Sequence[Conversation]) -> list[Conversation]:
    """Return the messages that the environment appended after each row's reply."""
    return [new[len(old) + 1 :] for old, new in zip(before, after, strict=True)]
