"""`Policy`: a causal language model with its tokenizer. It samples token ids and scores them.

Token in, token out: what was sampled is what is scored. A conversation is tokenised once,
when it starts; what is added later (`Context.extend`) is tokenised alone and appended to the
ids that were sampled, never rendered again. Sampling a later turn goes on from the key-value
cache of the turns before.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from selfcorrect_env import Conversation, Message, Reply

PLACEHOLDER = "REPLY-STANDS-HERE"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was sampled in one turn, right-padded. B conversations, N tokens at most."""

    ids: Tensor
    """(B, N) int64; the padding id outside `mask`."""
    mask: Tensor
    """(B, N) bool: True where a token was sampled (the end-of-turn token included)."""
    logps: Tensor
    """(B, N) float32: log-probability of each token under the sampling distribution; 0 outside."""
    ended: Tensor
    """(B,) bool: True where the model ended its turn; False where the token cap cut it off."""


class CausalLMOutput(Protocol):
    """The part of a model's output that is used here."""

    logits: Tensor


class Policy:
    """A causal language model with its tokenizer.

    Args:
        model: any ``transformers`` causal LM that takes ``position_ids`` and a cache.
        tokenizer: its tokenizer, with a chat template.

    Raises:
        ValueError: the tokenizer has no chat template or no end-of-sequence token.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
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
        self.model = model
        self.tokenizer = tokenizer
        self._continuations: dict[tuple[tuple[str, str], ...], list[int]] = {}
        self.eos_ids = _end_ids(model, tokenizer)
        self.cache_argument = _cache_argument(model)
        pad = tokenizer.pad_token_id
        self.pad_id = cast(int, tokenizer.eos_token_id if pad is None else pad)

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return self.model.device

    @property
    def vocab_size(self) -> int:
        """Number of token ids that the model gives logits for."""
        head = cast(torch.nn.Linear, self.model.get_output_embeddings())
        return int(head.weight.shape[0])

    # -- loading and saving -------------------------------------------------------------
    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        revision: str | None = None,
        gguf_file: str | None = None,
    ) -> Policy:
        """Load a model and its tokenizer from a folder or a Hugging Face id.

        Args:
            model: a folder written by ``save_pretrained``, a hub id, or the path of a
                ``.gguf`` file.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` …
            dtype: of the weights; float32 by default (bfloat16 is slower on most CPUs).
            revision: of a hub id.
            gguf_file: a GGUF file inside ``model``; its weights are dequantised.

        Raises:
            OSError: there is no such model, or the hub cannot be reached.
            ValueError: the tokenizer has no chat template.
        """
        path = Path(model)
        if path.suffix == ".gguf":
            model, gguf_file = path.parent, path.name
        options: dict[str, Any] = {"revision": revision} if revision else {}
        if gguf_file:
            from transformers import GgufConfig

            options["gguf_file"] = gguf_file
            tokenizer = AutoTokenizer.from_pretrained(model, **options)
            options["quantization_config"] = GgufConfig(dequantize=True)
        else:
            tokenizer = AutoTokenizer.from_pretrained(model, **options)
        lm = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, **options)
        cast(torch.nn.Module, lm).to(device)
        return cls(lm.eval(), tokenizer)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model and tokenizer, so that ``AutoModelForCausalLM`` loads them anywhere."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def frozen_copy(self) -> Policy:
        """Return a copy that never changes: the reference policy of a KL term."""
        model = copy.deepcopy(self.model).eval().requires_grad_(False)
        return Policy(model, self.tokenizer)

    # -- text and ids -------------------------------------------------------------------
    def prompt_ids(self, conversation: Conversation) -> list[int]:
        """Write a conversation in token ids, up to where the assistant is to speak."""
        return self._encode(self._render(list(conversation)))

    def continuation_ids(self, added: Sequence[Message]) -> list[int]:
        """Return the ids that follow a reply when the messages ``added`` come after it.

        They start with the template's end of the assistant's turn, and end where the
        assistant is to speak again.
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

    def reply(self, turn: Turn, row: int) -> Reply:
        """Decode row ``row`` of a turn."""
        ids = turn.ids[row][turn.mask[row]].tolist()
        text = self.decode(ids[:-1] if bool(turn.ended[row]) else ids)
        return Reply(text, tokens=len(ids), truncated=not bool(turn.ended[row]))

    def reply_ids(self, text: str, *, ended: bool = True) -> list[int]:
        """Write a reply in token ids, with the end of its turn unless it was cut off."""
        end = [cast(int, self.tokenizer.eos_token_id)] if ended else []
        return [*self._encode(text), *end]

    def follow_up(self, ids: Sequence[int], added: Sequence[Message]) -> list[int]:
        """Return the ids of messages after a reply whose ids are ``ids``; its turn ends once."""
        after = self.continuation_ids(added)
        ended = bool(ids) and ids[-1] in self.eos_ids
        return after[1:] if ended and after[:1] and after[0] in self.eos_ids else after

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply's ids; special tokens write nothing."""
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

    # -- sampling -----------------------------------------------------------------------
    def start(self, conversations: Sequence[Conversation], samples: int = 1) -> Context:
        """Read conversations and be ready to sample ``samples`` replies to each.

        A conversation is read once, however many replies are to be sampled. Row ``i`` of
        what follows belongs to conversation ``i // samples``.
        """
        context = Context(self, len(conversations))
        context.read([self.prompt_ids(conversation) for conversation in conversations])
        if samples > 1:
            context.repeat(samples)
        return context

    # -- scoring ------------------------------------------------------------------------
    def logits(self, ids: Tensor, attention_mask: Tensor, columns: Tensor) -> Tensor:
        """Return the logits that predict the tokens in ``columns``, in one forward pass.

        Args:
            ids: (B, T) int64; padding may stand anywhere.
            attention_mask: (B, T) bool, True on real tokens.
            columns: (C,) int64, the columns whose tokens are scored; each is at least 1.

        Returns:
            (B, C, V) float32, with a gradient where gradients are on.
        """
        output = self.model(
            input_ids=ids,
            attention_mask=attention_mask.long(),
            position_ids=_positions(attention_mask),
            logits_to_keep=columns - 1,
            use_cache=False,
        )
        return cast(CausalLMOutput, output).logits.float()


class Context:
    """A batch of conversations in token ids, with the model's key-value cache of them.

    Columns are appended segment by segment: what is read is left-padded, what is sampled is
    right-padded, so the last column of a segment that was read is real in every row.
    """

    def __init__(self, policy: Policy, rows: int) -> None:
        device = policy.device
        self.policy = policy
        self.ids = torch.zeros((rows, 0), dtype=torch.long, device=device)
        """(B, T) int64: every token so far."""
        self.mask = torch.zeros((rows, 0), dtype=torch.bool, device=device)
        """(B, T) bool: True on real tokens."""
        self.ended = torch.zeros(rows, dtype=torch.bool, device=device)
        """(B,) bool: whether the last turn was ended by the model."""
        self._cache = DynamicCache(config=policy.model.config)
        self._logits: Tensor | None = None

    @torch.no_grad()
    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.policy.pad_id)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        for row, tokens in enumerate(rows):
            ids[row, width - len(tokens) :] = torch.tensor(tokens, dtype=torch.long)
            mask[row, width - len(tokens) :] = True
        self._append(ids.to(self.policy.device), mask.to(self.policy.device))
        self._forward()

    def repeat(self, samples: int) -> None:
        """Repeat every row ``samples`` times: row ``i`` becomes rows ``i·samples …``."""
        self._cache.batch_repeat_interleave(samples)
        self.ids = self.ids.repeat_interleave(samples, dim=0)
        self.mask = self.mask.repeat_interleave(samples, dim=0)
        self.ended = self.ended.repeat_interleave(samples, dim=0)
        if self._logits is not None:
            self._logits = self._logits.repeat_interleave(samples, dim=0)

    def extend(self, added: Sequence[Sequence[Message]]) -> None:
        """Append messages after each row's reply: its turn's end, if it lacks one, comes first."""
        eos = sorted(self.policy.eos_ids)[:1]
        ends = [eos if done else [] for done in self.ended.tolist()]
        self.read(list(map(self.policy.follow_up, ends, added)))

    @torch.no_grad()
    def sample(
        self, max_new_tokens: int, temperature: float, generator: torch.Generator | None = None
    ) -> Turn:
        """Sample one turn for every row.

        Args:
            max_new_tokens: the cap; a row that reaches it is cut off.
            temperature: 1 samples from the model; 0 takes the most likely token.
            generator: the source of randomness, on the policy's device.

        Returns:
            The turn; `ids` and `mask` of this context have grown by it.
        """
        policy, rows = self.policy, len(self.ids)
        ends = torch.tensor(sorted(policy.eos_ids), device=policy.device)
        running = torch.ones(rows, dtype=torch.bool, device=policy.device)
        ids, masks, logps = [], [], []
        for _ in range(max_new_tokens):
            logits = self._next_logits()
            token, logp = _draw(logits, temperature, generator)
            token = torch.where(running, token, policy.pad_id)
            ids.append(token)
            masks.append(running)
            logps.append(torch.where(running, logp, 0.0))
            self._append(token[:, None], running[:, None])
            running = running & ~torch.isin(token, ends)
            if not bool(running.any()):
                break
        self.ended = ~running
        return Turn(torch.stack(ids, 1), torch.stack(masks, 1), torch.stack(logps, 1), self.ended)

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled, as if it had been sampled here."""
        self._append(turn.ids, turn.mask)
        self.ended = turn.ended

    def _append(self, ids: Tensor, mask: Tensor) -> None:
        self.ids = torch.cat([self.ids, ids], dim=1)
        self.mask = torch.cat([self.mask, mask], dim=1)
        self._logits = None

    def _next_logits(self) -> Tensor:
        if self._logits is None:
            self._forward()
        return cast(Tensor, self._logits)

    def _forward(self) -> None:
        """Run the model over the tokens that its cache lacks."""
        missing = self.ids.shape[1] - self._cache.get_seq_length()
        output = self.policy.model(
            input_ids=self.ids[:, -missing:],
            attention_mask=self.mask.long(),
            position_ids=_positions(self.mask)[:, -missing:],
            use_cache=True,
            logits_to_keep=1,
            **{self.policy.cache_argument: self._cache},
        )
        self._logits = cast(CausalLMOutput, output).logits[:, -1].float()


def _positions(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, T) int64: each real token's place in its own row."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)


def _draw(
    logits: Tensor, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """(B, V) logits -> (B,) token and its (B,) log-probability under what it was drawn from."""
    if temperature == 0.0:
        return logits.argmax(dim=-1), torch.zeros(len(logits), device=logits.device)
    logps = (logits / temperature).log_softmax(dim=-1)
    token = torch.multinomial(logps.exp(), 1, generator=generator)
    return token[:, 0], logps.gather(1, token)[:, 0]


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """The ids that end a turn: the tokenizer's, and those that the model's generation names."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset({cast(int, tokenizer.eos_token_id), *(i for i in listed if i is not None)})


def _cache_argument(model: PreTrainedModel) -> str:
    """What the model's ``forward`` calls its cache: ``cache`` since transformers 5.24."""
    base = cast(Any, model)
    if hasattr(base, "get_base_model"):  # PEFT
        base = base.get_base_model()
    named = "cache" in inspect.signature(base.forward).parameters
    return "cache" if named else "past_key_values"
