"""`Player`: samples replies to conversations, whatever computes the tokens.

It joins a `Chat` (text and ids) and a `Sampler` (ids in, turns out). The model behind the sampler
may be in this process, as that of a `Policy` is, in another engine, or at a service.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

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
        by_text = self.chat.ending is not None  # the last token may be of the text that ends it
        texts = self.chat.batch_decode(
            [
                ids[:-1] if end and not (by_text and ids[-1] not in self.chat.eos_ids) else ids
                for ids, end in zip(rows, ended, strict=True)
            ]
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
        context.read(self._following(context, slice(None), added))

    def branch(
        self, context: Context, rows: Sequence[int], added: Sequence[Sequence[Message]]
    ) -> Context:
        """Return a context of some rows of another, with messages appended as by `extend`.

        The ids of these rows are read again: they are not rendered, which could change them.
        """
        kept = torch.tensor(rows, device=context.ids.device)
        ids, real = context.ids[kept], context.mask[kept]
        following = self._following(context, kept, added)
        read = [row[of].tolist() for row, of in zip(ids, real, strict=True)]
        return self.sampler.start([a + b for a, b in zip(read, following, strict=True)])

    def _following(
        self, context: Context, rows: slice | torch.Tensor, added: Sequence[Sequence[Message]]
    ) -> list[list[int]]:
        """Return the ids of messages after replies, whose end is there if the model wrote it."""
        ended = context.ended[rows].tolist()
        if self.chat.ending is None:
            some = sorted(self.chat.eos_ids)[:1]  # any of them
            last = [some if it else [] for it in ended]
        else:
            read = zip(context.ids[rows], context.mask[rows], ended, strict=True)
            length = self.chat.ending.whole  # a token has at least a character
            last = [ids[real][-length:].tolist() if it else [] for ids, real, it in read]
        return list(map(self.chat.follow_up, last, added))
