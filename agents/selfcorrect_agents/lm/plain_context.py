"""`PlainContext`: samples turns with any transformers model and its own cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from selfcorrect_agents.lm.drawing import draw, finite
from selfcorrect_agents.lm.turns import TokenRows, Turn, TurnEnds


class CachedModel(Protocol):
    """The interface that `PlainContext` needs."""

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

    @property
    def vocab_size(self) -> int:
        """V."""
        ...

    def forward(self, **inputs: Any) -> Any:
        """Run the model."""
        ...

    def check_length(self, tokens: int) -> None:
        """Raise or warn where the model has no positions for rows of so many tokens."""
        ...


class CachedRows:
    """Rows of token ids with transformers' cache of their keys and values.

    Args:
        model: the policy.
        ids: (G, T) int64 prompts, left-padded.
        mask: (G, T) bool, True on real tokens.
        samples: rows of each prompt, which is read once, or once for each row by models with
            recurrent layers.
    """

    def __init__(self, model: CachedModel, ids: Tensor, mask: Tensor, samples: int = 1) -> None:
        from transformers import DynamicCache  # slow to import
        from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

        self._model, self._ids, self._mask = model, ids, mask
        self._cache = DynamicCache(config=model.config)
        # other layers have a sliding window, or a state: both count columns, not tokens
        self.counts_columns = any(type(it) is not DynamicLayer for it in self._cache.layers)
        """Whether padding between the tokens of a row changes what its layers see."""
        self._computed = 0  # columns that the cache has
        kinds = (DynamicLayer, DynamicSlidingWindowLayer)
        if samples > 1 and not all(type(it) in kinds for it in self._cache.layers):
            # transformers repeats keys and values, and no states of recurrent layers
            self._ids, self._mask, samples = (
                *(x.repeat_interleave(samples, dim=0) for x in (ids, mask)), 1,
            )  # fmt: skip
        self._logits: Tensor | None = self._forward()
        if samples > 1:
            self._cache.batch_repeat_interleave(samples)
            self._ids, self._mask, self._logits = (
                x.repeat_interleave(samples, dim=0) for x in (ids, mask, self._logits)
            )

    def append(self, ids: Tensor, mask: Tensor) -> None:
        """Append (B, N) int64 ids and their (B, N) bool mask; they are read when they are needed.

        The last column of what is read is real in every row that goes on.
        """
        self._ids = torch.cat([self._ids, ids], dim=1)
        self._mask = torch.cat([self._mask, mask], dim=1)
        self._logits = None

    def logits(self) -> Tensor:
        """Return the (B, V) float32 logits of each row's next token."""
        if self._logits is None:
            self._logits = self._forward()
        return self._logits

    def _forward(self) -> Tensor:
        """Run the model over the tokens that its cache lacks."""
        missing = self._ids.shape[1] - self._computed
        output = self._model.forward(
            input_ids=self._ids[:, -missing:],
            attention_mask=self._mask.long(),
            position_ids=positions(self._mask)[:, -missing:],
            use_cache=True,
            logits_to_keep=1,
            **{self._model.cache_argument: self._cache},
        )
        self._computed = self._ids.shape[1]
        return output.logits[:, -1].float()


class PlainContext(TokenRows):
    """A batch of rows that transformers computes; see `Context`.

    Rows that end stay in the batch until every row has ended. A later turn continues from the
    cache of the turns before. It reads whole rows again if they are sampled in parts, and if a
    layer sees a window of columns, in which the padding after a row's end would stand.

    Args:
        model: the policy.
        ends: how turns end.
        prompts: the ids of each group's prompt, at least one.
        samples: rows of a group; their prompt is read once.
        rows_at_once: rows whose keys and values are in memory, ≥ 1: more rows are sampled one part
            after another. None takes all of them at once.
    """

    def __init__(
        self,
        model: CachedModel,
        ends: TurnEnds,
        prompts: Sequence[Sequence[int]],
        samples: int = 1,
        rows_at_once: int | None = None,
    ) -> None:
        super().__init__(ends, prompts, samples, model.device)
        self._model, self._samples = model, samples
        self._at_once = min(rows_at_once or len(self.ids), len(self.ids))
        self._prompt_columns = self.ids.shape[1]
        self._cached: CachedRows | None = None
        if self._at_once == len(self.ids):
            with torch.no_grad():
                self._cached = self._read_again(slice(None))

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        before = self.ids.shape[1]
        super().read(rows)
        self._continue(self.ids[:, before:], self.mask[:, before:])

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        super().take(turn)
        self._continue(self.ends.as_context(turn), turn.mask)

    def _continue(self, ids: Tensor, mask: Tensor) -> None:
        """Append columns to what is in the cache, or forget it if padding would be seen."""
        if self._cached is not None and self._cached.counts_columns:
            self._cached = None
        elif self._cached is not None:
            self._cached.append(ids, mask)

    @torch.no_grad()
    def sample(
        self,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None = None,
        top_p: float = 1.0,
    ) -> Turn:
        """Sample one turn of every row; see `Context.sample`.

        Raises:
            DivergenceError: a logit is not finite.
            UnsupportedModelError: the model has no positions for so many tokens.
        """
        self._model.check_length(self.longest + max_new_tokens)
        shape, device = (len(self.ids), max_new_tokens), self.ids.device
        uniforms = torch.rand(shape, generator=generator, device=device)
        parts = [
            self._sample_part(rows, uniforms[rows], temperature, top_p) for rows in self._parts()
        ]
        turn = finite(_joined(parts, self.ends.pad_id))
        super().take(turn)  # its tokens are in the cache
        return turn

    def _parts(self) -> list[slice]:
        """Return the rows that are sampled together; whole groups, while all has been a prompt."""
        size = self._at_once // self._shared() * self._shared()
        return [slice(start, start + size) for start in range(0, len(self.ids), size)]

    def _shared(self) -> int:
        """Return how many rows have the same tokens so far and fit into memory together."""
        alike = self.ids.shape[1] == self._prompt_columns and self._samples <= self._at_once
        return self._samples if alike else 1

    def _read_again(self, rows: slice) -> CachedRows:
        """Run the model over some rows from their beginning, without padding between tokens."""
        samples = self._shared()
        ids, mask = self.left_padded(slice(rows.start, rows.stop, samples))
        return CachedRows(self._model, ids, mask, samples)

    def _sample_part(self, part: slice, uniforms: Tensor, temperature: float, top_p: float) -> Turn:
        """Sample one turn of some rows; (B, N) uniform numbers say which tokens."""
        rows = self._cached or self._read_again(part)
        ends = self.ends.table(self._model.vocab_size, uniforms.device)
        running = torch.ones(len(uniforms), dtype=torch.bool, device=uniforms.device)
        text = self.ends.text
        written = torch.zeros(len(uniforms), dtype=torch.long, device=uniforms.device)
        ids, masks, logps = [], [], []
        for numbers in uniforms.unbind(dim=1):
            token, logp = draw(rows.logits(), numbers, temperature, top_p)
            token = torch.where(running, token, self.ends.pad_id)
            one = Turn(token[:, None], running[:, None], logp[:, None], running)
            rows.append(self.ends.as_context(one), one.mask)
            ids.append(token)
            masks.append(running)
            logps.append(torch.where(running, logp, 0.0))
            over = ends[token]
            if text is not None:
                written = text.table(token.device)[written, token].long()
                over = over | (written == text.whole)
            running = running & ~over
            if not bool(running.any()):
                break
        self._cached = rows if self._at_once == len(self.ids) else None
        return Turn(torch.stack(ids, 1), torch.stack(masks, 1), torch.stack(logps, 1), ~running)


def _joined(turns: Sequence[Turn], pad_id: int) -> Turn:
    """Return the rows of several turns as one, right-padded to the longest."""
    width = max(turn.ids.shape[1] for turn in turns)

    def padded(tensors: Iterable[Tensor], value: float) -> Tensor:
        return torch.cat([F.pad(x, (0, width - x.shape[1]), value=value) for x in tensors])

    return Turn(
        padded((turn.ids for turn in turns), pad_id),
        padded((turn.mask for turn in turns), False),
        padded((turn.logps for turn in turns), 0.0),
        torch.cat([turn.ended for turn in turns]),
    )


def positions(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, T) int64: the index of each real token in its own row."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
