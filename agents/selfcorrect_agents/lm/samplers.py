"""`Sampler`: token ids in, `Turn`s out; turns are appended to the same rows.

`CachedSampler` samples with a transformers model and continues from the key-value cache of the
turns before. To use another engine, implement the two protocols.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Turn:
    """What was sampled in one turn, right-padded. B rows, N tokens at most."""

    ids: Tensor
    """(B, N) int64: what was sampled; the padding id outside `mask`."""
    mask: Tensor
    """(B, N) bool: True where a token was sampled (the end-of-turn token included)."""
    logps: Tensor
    """(B, N) float32: log-probability of each token under the sampling distribution; 0 outside."""
    ended: Tensor
    """(B,) bool: True where the model ended its turn; False where the token cap cut it off."""


class Context(Protocol):
    """Rows of token ids that grow turn by turn."""

    @property
    def ids(self) -> Tensor:
        """(B, T) int64: every token so far; padding may be anywhere."""
        ...

    @property
    def mask(self) -> Tensor:
        """(B, T) bool: True on real tokens."""
        ...

    @property
    def ended(self) -> Tensor:
        """(B,) bool: whether the model ended the last turn."""
        ...

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row."""
        ...

    def sample(
        self, max_new_tokens: int, temperature: float, generator: torch.Generator | None = None
    ) -> Turn:
        """Sample one turn of every row and append it.

        Args:
            max_new_tokens: the cap; a row that reaches it is cut off.
            temperature: 1 samples from the model; 0 takes the most likely token.
            generator: the source of randomness, on the policy's device.
        """
        ...

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        ...


class Sampler(Protocol):
    """Starts contexts. It samples from the weights that the policy has at that moment."""

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> Context:
        """Read prompts; row ``i`` of the context belongs to prompt ``i // samples``."""
        ...


class CausalLM(Protocol):
    """The interface that `CachedSampler` needs."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        ...

    @property
    def config(self) -> Any:
        """The model's configuration."""
        ...

    @property
    def cache_argument(self) -> str:
        """Name of the cache among ``forward``'s arguments."""
        ...

    def forward(self, **inputs: Any) -> Any:
        """Run the model."""
        ...


class CachedSampler:
    """Samples with a transformers model and its key-value cache.

    Args:
        model: runs the forward passes.
        pad_id: fills up shorter rows.
        end_ids: ids that end a turn when they are sampled.
        turn_end: the id that later turns read in the place of the one that ended the turn; None
            leaves what was sampled.
    """

    def __init__(
        self,
        model: CausalLM,
        *,
        pad_id: int,
        end_ids: frozenset[int],
        turn_end: int | None = None,
    ) -> None:
        self.model, self.pad_id, self.end_ids = model, pad_id, end_ids
        self.turn_end = turn_end

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> CachedContext:
        """Read every prompt once, and repeat its row and its cache ``samples`` times."""
        context = CachedContext(self, len(prompts))
        context.read(prompts)
        if samples > 1:
            context.repeat(samples)
        return context


class CachedContext:
    """A batch of rows with the model's key-value cache of them.

    Columns are appended segment by segment: what is read is left-padded, what is sampled is
    right-padded, so the last column of a segment that was read is real in every row.
    """

    def __init__(self, sampler: CachedSampler, rows: int) -> None:
        from transformers import DynamicCache  # slow to import

        device = sampler.model.device
        self.sampler = sampler
        self.ids = torch.zeros((rows, 0), dtype=torch.long, device=device)
        self.mask = torch.zeros((rows, 0), dtype=torch.bool, device=device)
        self.ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self._cache = DynamicCache(config=sampler.model.config)
        self._logits: Tensor | None = None

    @torch.no_grad()
    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.sampler.pad_id)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        for row, tokens in enumerate(rows):
            ids[row, width - len(tokens) :] = torch.tensor(tokens, dtype=torch.long)
            mask[row, width - len(tokens) :] = True
        self._append(ids.to(self.ids.device), mask.to(self.ids.device))
        self._forward()

    def repeat(self, samples: int) -> None:
        """Repeat every row ``samples`` times: row ``i`` becomes rows ``i·samples …``."""
        self._cache.batch_repeat_interleave(samples)
        self.ids = self.ids.repeat_interleave(samples, dim=0)
        self.mask = self.mask.repeat_interleave(samples, dim=0)
        self.ended = self.ended.repeat_interleave(samples, dim=0)
        if self._logits is not None:
            self._logits = self._logits.repeat_interleave(samples, dim=0)

    @torch.no_grad()
    def sample(
        self, max_new_tokens: int, temperature: float, generator: torch.Generator | None = None
    ) -> Turn:
        """Sample one turn of every row; see `Context.sample`."""
        running = torch.ones(len(self.ids), dtype=torch.bool, device=self.ids.device)
        ids, masks, logps = [], [], []
        for _ in range(max_new_tokens):
            token, logp = draw(self._next_logits(), temperature, generator)
            token = torch.where(running, token, self.sampler.pad_id)
            ids.append(token)
            masks.append(running)
            logps.append(torch.where(running, logp, 0.0))
            ends = self._ends(token)
            self._append(self._as_context(token, ends & running)[:, None], running[:, None])
            running = running & ~ends
            if not bool(running.any()):
                break
        self.ended = ~running
        return Turn(torch.stack(ids, 1), torch.stack(masks, 1), torch.stack(logps, 1), self.ended)

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        ends = self._ends(turn.ids) & turn.mask
        self._append(self._as_context(turn.ids, ends), turn.mask)
        self.ended = turn.ended

    def _ends(self, ids: Tensor) -> Tensor:
        """Whether each id ends a turn; of the shape of ``ids``."""
        return torch.isin(ids, torch.tensor(sorted(self.sampler.end_ids), device=ids.device))

    def _as_context(self, ids: Tensor, ends: Tensor) -> Tensor:
        """Replace what ended turns by the sampler's ``turn_end``."""
        return (
            ids if self.sampler.turn_end is None else ids.masked_fill(ends, self.sampler.turn_end)
        )

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
        output = self.sampler.model.forward(
            input_ids=self.ids[:, -missing:],
            attention_mask=self.mask.long(),
            position_ids=positions(self.mask)[:, -missing:],
            use_cache=True,
            logits_to_keep=1,
            **{self.sampler.model.cache_argument: self._cache},
        )
        self._logits = output.logits[:, -1].float()


def positions(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, T) int64: the index of each real token in its own row."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)


def draw(
    logits: Tensor, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw a token of each row.

    Args:
        logits: (B, V) float32.
        temperature: ≥ 0; 0 takes the most likely token.
        generator: the source of randomness.

    Returns:
        (B,) int64 tokens and their (B,) log-probabilities under the distribution that was drawn
        from; 0 where the most likely token was taken.
    """
    if temperature == 0.0:
        return logits.argmax(dim=-1), torch.zeros(len(logits), device=logits.device)
    logps = (logits / temperature).log_softmax(dim=-1)
    token = torch.multinomial(logps.exp(), 1, generator=generator)
    return token[:, 0], logps.gather(1, token)[:, 0]


def cache_argument(model: PreTrainedModel) -> str:
    """Return the name of the cache in the model's ``forward``: ``cache`` since transformers 5.24.

    For a model with peft adapters, it is that of the wrapped model.
    """
    base = cast(Any, model)
    if hasattr(base, "get_base_model"):
        base = base.get_base_model()
    named = "cache" in inspect.signature(base.forward).parameters
    return "cache" if named else "past_key_values"
