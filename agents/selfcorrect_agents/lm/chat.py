"""`Chat`: conversations in token ids, by a tokenizer's chat template.

Token in, token out: a conversation is tokenised once, when it starts. Messages that are added
later are tokenised alone and appended to the sampled ids; nothing is rendered twice.

The ids of a later turn are those of the template: what ends a turn is read from the template
itself, since the tokenizer's ``eos_token`` is another token in many families (Gemma, Phi).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import jinja2

from selfcorrect_agents.lm.ending_text import EndingText
from selfcorrect_agents.lm.template_config import (
    PLAIN_NEXT_TURN,
    PLAIN_TEMPLATE,
    TemplateConfig,
)
from selfcorrect_agents.lm.thought_marks import CHANNEL, CHANNELS, MARKS, THOUGHTS
from selfcorrect_agents.lm.turns import TurnEnds
from selfcorrect_env import Conversation, Message
from selfcorrect_env.verifiers import without_thoughts

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

PLACEHOLDER = "REPLY-PLACEHOLDER"
"""Replaces the reply in a rendered conversation, to find the text that follows any reply."""

_ANY_MESSAGE: list[Message] = [{"role": "user", "content": "?"}]

_QUESTION = "QUESTION-PLACEHOLDER"
"""A message of the user that is looked for in the rendered conversation."""

_ERRORS_WITHIN = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError)
"""What an expression of a template may raise, given a value of another type than it expects."""


class Chat:
    """The chat template of a tokenizer; a `selfcorrect_env.TokenCodec`.

    A tokenizer without a template (that of a base model) gets `PLAIN_TEMPLATE`.

    Args:
        tokenizer: with an end-of-sequence token.
        end_ids: further ids that end a reply, beside the tokenizer's ``eos_token_id`` and the
            template's own end of a turn.
        vocab_size: number of token ids of the model; by default the tokenizer's.
        template: what the template is given beside the messages.

    Raises:
        ValueError: the tokenizer has no end-of-sequence token, or its template leaves out the
            user's message, a system prompt that was given, or an argument that was given.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        end_ids: frozenset[int] = frozenset(),
        vocab_size: int | None = None,
        template: TemplateConfig | None = None,
    ) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no eos_token: nothing would "
                "end a reply. Set tokenizer.eos_token first."
            )
        self.tokenizer = tokenizer
        self.template = template or TemplateConfig()
        self.is_plain = not tokenizer.chat_template
        """Whether the tokenizer has no template, so that `PLAIN_TEMPLATE` is used."""
        self.vocab_size = vocab_size or len(tokenizer)
        """Number of token ids."""
        pad = cast("int | None", tokenizer.pad_token_id)
        known = pad is not None and pad < self.vocab_size  # a model may lack a token that was added
        self.pad_id = cast(int, pad if known else tokenizer.eos_token_id)
        """Id that pads shorter rows; see the masks."""
        self._continuations: dict[tuple[tuple[str, str], ...], list[int]] = {}
        self._check_template()
        self.own_end = self._last_end if self._last_end is not None else self.turn_end
        """Id with which a model that was trained on the template ends a reply. Before another
        message, gpt-oss has `turn_end` in its place. None if the template writes none."""
        ends = end_ids | {cast(int, tokenizer.eos_token_id)}
        self.eos_ids = ends if self.own_end is None else ends | {self.own_end}
        """Ids that end a reply when they are sampled."""

    def _check_template(self) -> None:
        """Refuse a template that does not write what it is given."""
        for name in self.template.arguments():
            if not re.search(rf"\b{name}\b", self.template_text):
                raise ValueError(
                    f"The chat template has no argument {name!r} (template.args). Correct its "
                    "name or leave it out."
                )
        text = self._render(self._with_system(self._asked[:-1])).casefold()
        if _QUESTION.casefold() not in text:
            raise ValueError(
                "The chat template leaves out a message that is a plain text, so the model would "
                "not read the problem. Use a template for text, not for lists of parts."
            )
        if self.template.system.strip().casefold() not in text:
            raise ValueError(
                "The chat template leaves out the system prompt (template.system). Leave it out "
                "as well, or use a template that has one."
            )

    @property
    def template_text(self) -> str:
        """The Jinja source of the template."""
        return self._plain if self.is_plain else self.tokenizer.get_chat_template()

    def fingerprint(self) -> str:
        """Return a hash of what is read and written: the template, its settings and the tokens."""
        settings = {"template": self.template_text, **asdict(self.template)}
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        tokens = self.tokenizer.get_vocab() if backend is None else backend.to_str()
        text = json.dumps([settings, tokens, sorted(self.eos_ids)], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @cached_property
    def _asked(self) -> Conversation:
        """A question with a reply, after the system prompt where the template asks for one."""
        question: Message = {"role": "user", "content": _QUESTION}
        reply: Message = {"role": "assistant", "content": PLACEHOLDER}
        try:
            self._render([question])
        except ValueError:
            return tuple(self._with_system([question, reply]))
        return question, reply  # some templates write the system prompt before the last message

    @cached_property
    def _prompt_text(self) -> str:
        """A conversation up to where the assistant's reply starts."""
        return self._render(self._asked[:-1])

    def __str__(self) -> str:
        """Return a description for reports: "" if it is the model's template and nothing else."""
        plain = ["plain chat template"] if self.is_plain else []
        kept = ["thoughts kept"] if self._keeps_thoughts else []
        return ", ".join([*plain, *kept, *filter(None, [str(self.template)])])

    @cached_property
    def _keeps_thoughts(self) -> bool:
        """Whether thoughts of earlier replies are read that the template would leave out."""
        if self.template.thoughts == "drop" or self._between_turns is None:
            return False
        thought: Message = {"role": "assistant", "content": f"<think>{PLACEHOLDER}</think>Reply"}
        return PLACEHOLDER not in self._render([*self._asked[:-1], thought, *_ANY_MESSAGE])

    @property
    def ends(self) -> TurnEnds:
        """How a reply ends, for a `Sampler`."""
        return TurnEnds(self.pad_id, self.eos_ids, self.turn_end, self.ending)

    @cached_property
    def ending(self) -> EndingText | None:
        """The text that ends a reply of a base model: the start of the next turn in plain words.

        None if the tokenizer has a template.
        """
        if not self.is_plain:
            return None
        before = self._encode("a")  # some tokenizers drop the blank that a text starts with
        after = [[*before, token] for token in range(self.vocab_size)]
        length = len(self._plain_texts([before])[0])
        return EndingText(PLAIN_NEXT_TURN, [it[length:] for it in self._plain_texts(after)])

    @property
    def turn_end(self) -> int | None:
        """Id that the template writes after a reply that a message follows.

        None if it writes no special token there, or drops earlier replies.
        """
        return self._turn_end

    @cached_property
    def _turn_end(self) -> int | None:
        return self._first_special(self._between_turns)[1]

    @cached_property
    def _between_turns(self) -> str | None:
        return self._after_reply(_ANY_MESSAGE)

    @cached_property
    def _before_end(self) -> list[int]:
        """Ids of the blanks that the template writes between a reply and the end of its turn."""
        return self._first_special(self._between_turns)[0]

    @cached_property
    def _last_end(self) -> int | None:
        """Id that the template writes after the last reply of a whole conversation."""
        return self._first_special(self._after_reply([], generation_prompt=False))[1]

    @cached_property
    def reply_opening(self) -> str:
        """Text that the template writes between the prompt and a reply without thoughts.

        It is "" in most families. gpt-oss names the channel of the reply; some thinking models get
        an empty thought.
        """
        return self._opening(_ANY_MESSAGE, self._last_opening)

    @cached_property
    def _last_opening(self) -> str:
        return self._opening([], "")

    @cached_property
    def _opening_ids(self) -> list[int]:
        return self._encode(self.reply_opening)

    def prompt_ids(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation, up to where the assistant's reply starts."""
        return self.batch_prompt_ids([conversation])[0]

    def batch_prompt_ids(self, conversations: Sequence[Conversation]) -> list[list[int]]:
        """Return `prompt_ids` of every conversation."""
        if self.template.thoughts == "drop":
            conversations = [tuple(map(_without_thoughts, it)) for it in conversations]
        elif any(map(_has_thoughts, conversations)):
            return [self._one_prompt(conversation) for conversation in conversations]
        return self._encode_all([self._render(self._with_system(it)) for it in conversations])

    def _one_prompt(self, conversation: Conversation) -> list[int]:
        """Return the ids of a conversation as sampling leaves them, with the thoughts in it.

        Templates drop the thoughts of earlier replies when they render a whole conversation.
        """
        replies = [i for i, message in enumerate(conversation) if message["role"] == "assistant"]
        if not _has_thoughts(conversation) or replies[0] == 0:
            return self._encode(self._render(self._with_system(conversation)))
        ids = self._encode(self._render(self._with_system(conversation[: replies[0]])))
        for reply, following in zip(replies, [*replies[1:], len(conversation)], strict=True):
            written = self.reply_ids(conversation[reply]["content"])
            added = conversation[reply + 1 : following]
            ids += [*written, *self.follow_up(written, added)]
        return ids

    def continuation_ids(self, added: Sequence[Message]) -> list[int]:
        """Return the ids that follow a reply when the messages ``added`` come after it.

        They start with the template's end of the assistant's turn and end where the next reply
        starts.

        Raises:
            ValueError: the chat template drops earlier replies.
        """
        key = tuple((message["role"], message["content"]) for message in added)
        if key not in self._continuations:
            after = self._after_reply(added)
            if after is None:
                raise ValueError(
                    "The chat template drops the assistant's earlier reply, so a second attempt "
                    "could not see the first. Use a template that keeps it."
                )
            self._continuations[key] = self._encode_after("5.", after)
        return self._continuations[key]

    def follow_up(self, ids: Sequence[int], added: Sequence[Message]) -> list[int]:
        """Return the ids of messages after a reply with ``ids``, whose turn ends only once.

        A reply that ended with the start of the next turn, `ending`, goes on after it.
        """
        if self.ending is not None and self.ending.length(ids) == len(ids):
            return self._after_ending(self.ending, added)
        after = self.continuation_ids(added)
        ended = bool(ids) and ids[-1] in {*self.eos_ids, self.turn_end}
        if not ended or self.turn_end is None:
            return after
        return after[after.index(self.turn_end) + 1 :]

    def _after_ending(self, ending: EndingText, added: Sequence[Message]) -> list[int]:
        """Return the ids of messages whose start the reply has written."""
        key = ((ending.text, ""), *((message["role"], message["content"]) for message in added))
        if key not in self._continuations:
            after = (self._after_reply(added) or "").partition(ending.text)
            self._continuations[key] = self._encode(after[2] if after[1] else after[0])
        return self._continuations[key]

    def context_id(self, token: int) -> int:
        """Return the id that later turns read for a sampled id: an end is the template's own."""
        ends = token in self.eos_ids and self.turn_end is not None
        return cast(int, self.turn_end) if ends else token

    def reply_ids(self, text: str, *, ended: bool = True, last: bool = False) -> list[int]:
        """Return the ids of a reply, with the end of its turn unless it was cut off.

        Args:
            text: the reply.
            ended: False if it was cut off.
            last: whether it is the last message of the conversation; some templates end it with
                another token than earlier replies.
        """
        ends = [self._last_end, self.turn_end] if last else [self.turn_end, self._last_end]
        end = next((it for it in ends if it is not None), cast(int, self.tokenizer.eos_token_id))
        opening = self._last_opening if last else self.reply_opening
        if not opening.strip() and text.startswith(opening):
            opening = ""  # blanks that the reply has
        own = self._unopened(text)
        marked = any(mark in text for mark in MARKS) or text.startswith(CHANNEL)
        if own != text or marked:
            opening, text = "", own  # the reply has thoughts of its own
        blanks = self._before_end if end == self.turn_end else []
        return [*self._written(opening + text), *([*blanks, end] if ended else [])]

    def _written(self, text: str) -> list[int]:
        """Return the ids of a reply's text, as they are in the template's whole rendering."""
        if not self._begins_with_a_blank:
            return self._encode(text)
        blanks = "" if text[:1] in ("", " ") else self._blanks_before_reply
        return self._encode_after(self._prompt_text, blanks + text)

    def _encode_after(self, before: str, text: str) -> list[int]:
        """Return the ids of a text that follows another one.

        Tokenizers of SentencePiece begin a text with a blank of their own, which is not there if it
        follows a line break, say.
        """
        if self._begins_with_a_blank:
            given, ids = self._encode_all([before, before + text])
            if ids[: len(given)] == given:
                return ids[len(given) :]
        return self._encode(text)

    @cached_property
    def _begins_with_a_blank(self) -> bool:
        """Whether a text has other ids by itself than after a line break."""
        return self._encode("\na") != [*self._encode("\n"), *self._encode("a")]

    @cached_property
    def _blanks_before_reply(self) -> str:
        """The blanks that the template writes between a prompt and a reply; "" for none."""
        whole, found, _ = self._render([*self._asked, *_ANY_MESSAGE]).partition(PLACEHOLDER)
        between = whole.removeprefix(self._prompt_text) if found else "-"
        return between if not between.strip(" ") else ""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply's ids, without special tokens and the reply's opening.

        A thought is in it with its marks, of which the prompt may have written the first one. Of a
        base model's reply, it is the text before `ending`.
        """
        return self.batch_decode([ids])[0]

    def batch_decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return `decode` of every row."""
        opening = self._opening_ids if self.reply_opening.strip() else []
        opened = [bool(opening) and list(ids[: len(opening)]) == opening for ids in rows]
        texts = self._texts(
            [list(ids[len(opening) :] if it else ids) for ids, it in zip(rows, opened, strict=True)]
        )
        start = self._thought_start
        texts = [text if it else start + text for text, it in zip(texts, opened, strict=True)]
        if self.ending is not None:
            return [text.partition(self.ending.text)[0] for text in texts]
        return texts

    def _texts(self, rows: list[list[int]]) -> list[str]:
        """Decode rows without special tokens, except for the marks of thoughts."""
        if not self._kept_marks:
            return self._plain_texts(rows)
        end = "" if self.turn_end is None else self._kept_marks.get(self.turn_end, "")
        return [self._text_with_marks(row).removesuffix(end) for row in rows]

    def _text_with_marks(self, row: list[int]) -> str:
        parts: list[str] = []
        for is_mark, group in itertools.groupby(row, self._kept_marks.__contains__):
            ids = list(group)
            parts += [self._kept_marks[i] for i in ids] if is_mark else self._plain_texts([ids])
        return "".join(parts)

    def _plain_texts(self, rows: list[list[int]]) -> list[str]:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None or getattr(self.tokenizer, "clean_up_tokenization_spaces", False):
            return [cast(str, self.tokenizer.decode(i, skip_special_tokens=True)) for i in rows]
        return backend.decode_batch(rows, skip_special_tokens=True)

    @cached_property
    def _kept_marks(self) -> dict[int, str]:
        """Special tokens that stay in texts, by their ids."""
        marks = MARKS | CHANNELS if CHANNEL in self.reply_opening else MARKS
        added = self.tokenizer.added_tokens_decoder.items()
        return {i: token.content for i, token in added if token.special and token.content in marks}

    def decode_all(self, ids: Sequence[int]) -> str:
        """Return the text of ids with the special tokens, as the model reads it."""
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def _opening(self, added: Sequence[Message], otherwise: str) -> str:
        """Return the text between the prompt and a reply that ``added`` follows.

        ``otherwise`` is returned if the prompt is rendered in another way once the reply is there.
        """
        prompt = self._prompt_text
        whole, found, _ = self._render([*self._asked, *added], bool(added)).partition(PLACEHOLDER)
        opening = whole[len(prompt) :] if found and whole.startswith(prompt) else otherwise
        if self._thought_start and not opening.strip():
            end = THOUGHTS[self._thought_start.rstrip()]
            return f"\n{end}\n\n"  # the prompt starts a thought: it is left empty
        return opening if opening.strip(" ") else ""  # blanks come with the reply's first word

    @cached_property
    def _thought_start(self) -> str:
        """The end of the prompt that starts a thought, with its blanks; "" if it starts none."""
        prompt = self._prompt_text
        mark = next((it for it in THOUGHTS if prompt.rstrip().endswith(it)), "")
        return prompt[prompt.rindex(mark) :] if mark else ""

    def _unopened(self, text: str) -> str:
        """Return a reply without the start of a thought that the prompt already ends with."""
        start = self._thought_start
        return text.removeprefix(start if text.startswith(start) else start.rstrip())

    def _after_reply(
        self, added: Sequence[Message], *, generation_prompt: bool = True
    ) -> str | None:
        """Return the text after a reply that ``added`` follows; None if the reply is dropped."""
        messages = [*self._asked, *added]
        _, found, after = self._render(messages, generation_prompt).partition(PLACEHOLDER)
        return after if found else None

    def _first_special(self, text: str | None) -> tuple[list[int], int | None]:
        """Return the special id that a text begins with, and those of the blanks before it."""
        ids = self._encode(text or "")
        added = self.tokenizer.added_tokens_decoder
        for i, token in enumerate(ids):
            if token in self._special_ids or _is_mark(added.get(token)):
                return ids[:i], token
            if self.decode_all([token]).strip():
                break
        return [], None

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        return frozenset(cast(list[int], self.tokenizer.all_special_ids))

    def _with_system(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return messages after the system prompt that was given, unless they have their own."""
        system = self.template.system
        if not system or (messages and messages[0]["role"] == "system"):
            return messages
        return [{"role": "system", "content": system}, *messages]

    def _render(self, messages: Sequence[Message], generation_prompt: bool = True) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                cast(Any, list(messages)),
                tokenize=False,
                add_generation_prompt=generation_prompt,
                chat_template=self.template.dated(self.template_text),
                **self.template.arguments(),
            )
        except (jinja2.TemplateError, *_ERRORS_WITHIN) as error:
            raise ValueError(f"The chat template refuses the conversation: {error}") from error
        return cast(str, text)

    @cached_property
    def _plain(self) -> str:
        """`PLAIN_TEMPLATE`, after the token that the tokenizer itself begins a text with."""
        start = self.tokenizer.bos_token_id
        begins = start is not None and list(self.tokenizer("a")["input_ids"])[:1] == [start]
        return ("{{ bos_token }}" if begins else "") + PLAIN_TEMPLATE

    def _encode(self, text: str) -> list[int]:
        return self._encode_all([text])[0]

    def _encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]  # surrogates
        # the chat template writes every special token itself
        ids = self.tokenizer(valid, add_special_tokens=False)["input_ids"]
        return cast(list[list[int]], ids)


def _is_mark(token: AddedToken | None) -> bool:
    """Whether a token was added to the vocabulary and is no blank, as those of Gemma are."""
    return token is not None and (token.special or bool(token.content.strip()))


def _has_thoughts(conversation: Conversation) -> bool:
    """Whether a reply in the conversation has a thought."""
    replies = [message["content"] for message in conversation if message["role"] == "assistant"]
    return any(without_thoughts(reply) != reply for reply in replies)


def _without_thoughts(message: Message) -> Message:
    if message["role"] != "assistant":
        return message
    return {"role": "assistant", "content": without_thoughts(message["content"]).strip()}
