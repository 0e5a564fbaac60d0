"""`Player`: samples replies to conversations, whatever computes the tokens.

It joins a `Chat` (text and ids) and a `Sampler` (ids in, turns out). The model behind the sampler
may be in this process, as that of a `Policy` is, in another engine, or at a service.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.turns import Context, Sampler, Turn
from selfcorrect_env import Conversation, Message, Reply


class Player:
    """Replies to conversations.

    Args:
        chat: the chat template.
        sampler: samples token ids.
    """

    def __init__(self, chat: Chat, sampler: Sampler) -> None:
        self.chat = chat
        self.sampler = sampler

    def replies(self, turn: Turn) -> list[Reply]:
        """Decode every row of a turn."""
        rows, ended = turn.tokens(), turn.ended.tolist()
        texts = self.chat.batch_decode(
            [ids[:-1] if end else ids for ids, end in zip(rows, ended, strict=True)]
        )
        return [
            Reply(text, tokens=len(ids), truncated=not end)
            for text, ids, end in zip(texts, rows, ended, strict=True)
        ]

    def start(self, conversations: Sequence[Conversation], samples: int = 1) -> Context:
        """Read conversations, to sample ``samples`` replies to each.

        A conversation is read once, however many replies are to be sampled. Row ``i`` of the
        context belongs to conversation ``i // samples``.
        """
        return self.sampler.start(self.chat.batch_prompt_ids(conversations), samples)

    def extend(self, context: Context, added: Sequence[Sequence[Message]]) -> None:
        """Append messages after each row's reply, after a missing end-of-turn token."""
        end = sorted(self.chat.eos_ids)[:1]
        ends = [end if ended else [] for ended in context.ended.tolist()]
        context.read(list(map(self.chat.follow_up, ends, added)))
