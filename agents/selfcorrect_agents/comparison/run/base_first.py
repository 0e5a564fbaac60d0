"""`BaseFirst`: the base model makes the first attempts, an agent the later ones."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_env import Agent, Conversation, Reply


class BaseFirst:
    """An agent that corrects first attempts that are not its own (the paper's figure 5).

    A method that was trained on the base's first attempts may correct those and fail at its own:
    measured with both, the difference is the shift of the distribution.

    Args:
        base: makes the first attempt of every episode.
        agent: makes all later ones.
    """

    def __init__(self, base: Agent, agent: Agent) -> None:
        self.base, self.agent = base, agent

    def act(self, conversations: Sequence[Conversation]) -> Sequence[Reply | str]:
        """Reply to each conversation, those without an attempt by the base."""
        first = [not _attempted(conversation) for conversation in conversations]
        replies: list[Reply | str | None] = [None] * len(conversations)
        for agent, wanted in ((self.base, True), (self.agent, False)):
            rows = [i for i, is_first in enumerate(first) if is_first == wanted]
            if rows:
                answered = agent.act([conversations[i] for i in rows])
                for i, reply in zip(rows, answered, strict=True):
                    replies[i] = reply
        return [reply for reply in replies if reply is not None]


def _attempted(conversation: Conversation) -> bool:
    return any(message["role"] == "assistant" for message in conversation)
