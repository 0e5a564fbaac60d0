"""`Chat`: conversations in token ids, by a tokenizer's chat template.

Token in, token out: a conversation is tokenised once, when it starts. Messages that are added
later are tokenised alone and appended to the sampled ids; nothing is rendered twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from transformers import PreTrainedTokenizerFast

from selfcorrect_env import Conversation, Message

PLACEHOLDER = "REPLY-PLACEHOLDER"
"""Replaces the reply in a rendered conversation, to find the text that follows any reply."""


class Chat:
    """The chat template of a tokenizer; a `selfcorrect_env.TokenCodec`.

    Args:
        tokenizer: with a chat template and an end-of-sequence token.
        end_ids: further ids that end a reply, beside the tokenizer's ``eos_token_id``.
        vocab_size: number of token ids of the model; by default the tokenizer's.

    Raises:
        ValueError: the tokenizer has no chat template or no end-of-sequence token.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        end_ids: frozenset[int] = frozenset(),
        vocab_size: int | None = None,
    ) -> None:
        if not tokenizer.chat_template:
            raise ValueError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no chat template, so a "
                "conversation can't be written in its tokens. Take an instruction-tuned model, "
                "or set tokenizer.chat_template first."
            )
        if tokenizer.eos_token_id is None:
            raise ValueError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no eos_token: nothing would "
                "end a reply. Set tokenizer.eos_token first."
            )
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size or len(tokenizer)
        """Number of token ids."""
        self.eos_ids = end_ids | {cast(int, tokenizer.eos_token_id)}
        """Ids that end a reply."""
        pad = tokenizer.pad_token_id
        self.pad_id = cast(int, tokenizer.eos_token_id if pad is None else pad)
        """Id that pads shorter rows; see the masks."""
        self._continuations: dict[tuple[tuple[str, str], ...], list[int]] = {}

    def prompt_ids(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation, up to where the assistant's reply starts."""
        return self._encode(self._render(list(conversation)))

    def continuation_ids(self, added: Sequence[Message]) -> list[int]:
        """Return the ids that follow a reply when the messages ``added`` come after it.

        They start with the template's end of the assistant's turn and end where the next reply
        starts.

        Raises:
            ValueError: the chat template drops earlier replies.
        """
        key = tuple((message["role"], message["content"]) for message in added)
        if key not in self._continuations:
            before: list[Message] = [
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": PLACEHOLDER},
            ]
            _, found, after = self._render([*before, *added]).partition(PLACEHOLDER)
            if not found:
                raise ValueError(
                    "The chat template drops the assistant's earlier reply, so a second attempt "
                    "could not see the first. Use a template that keeps it."
                )
            self._continuations[key] = self._encode(after)
        return self._continuations[key]

    def follow_up(self, ids: Sequence[int], added: Sequence[Message]) -> list[int]:
        """Return the ids of messages after a reply with ``ids``, whose turn ends only once."""
        after = self.continuation_ids(added)
        ended = bool(ids) and ids[-1] in self.eos_ids
        return after[1:] if ended and after[:1] and after[0] in self.eos_ids else after

    def reply_ids(self, text: str, *, ended: bool = True) -> list[int]:
        """Return the ids of a reply, with the end of its turn unless it was cut off."""
        end = [cast(int, self.tokenizer.eos_token_id)] if ended else []
        return [*self._encode(text), *end]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply's ids, without special tokens."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _render(self, messages: list[Message]) -> str:
        text = self.tokenizer.apply_chat_template(
            cast(Any, messages), tokenize=False, add_generation_prompt=True
        )
        return cast(str, text)

    def _encode(self, text: str) -> list[int]:
        # the chat template writes every special token itself
        text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
        return cast(list[int], self.tokenizer(text, add_special_tokens=False)["input_ids"])
