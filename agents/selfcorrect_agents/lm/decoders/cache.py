"""`KeyValueCache`: the keys and values of rows that grow, for a `Decoder`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from selfcorrect_agents.lm.decoders.attention import grouped_attention, unseen_score
from selfcorrect_agents.lm.decoders.decoder import Attend, Decoder
from selfcorrect_agents.lm.decoders.packing import Segment


class KeyValueCache:
    """Keys and values of the rows in R slots, in blocks of columns that grow.

    Growing and moving rows copies one layer at a time, so the spare memory is that of a layer.

    Args:
        decoder: the forward pass whose keys and values are stored.
        slots: R.
        dtype: of keys and values as they are stored, and of attention to them; layers may compute
            in others, such as those of quantised weights.
        device: where they are stored.
    """

    def __init__(
        self, decoder: Decoder, slots: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.slots, self.columns = slots, 0
        self.heads, self._dim = 2 * decoder.kv_heads, decoder.head_dim
        self.dtype, self.device = dtype, device
        shape = slots, 2 * decoder.kv_heads, 0, decoder.head_dim
        self.layers = [
            torch.empty(shape, dtype=dtype, device=device) for _ in range(decoder.layers)
        ]
        """(R, 2 · kv_heads, columns, D) of each layer: its keys, then its values."""

    def reserve(self, columns: int, limit: int) -> None:
        """Make room for rows of ``columns`` tokens; at least double, up to ``limit``."""
        if columns <= self.columns:
            return
        grown = max(columns, min(limit, max(2 * self.columns, 64)))
        for layer, old in enumerate(self.layers):
            self.layers[layer] = old.new_zeros(*old.shape[:2], grown, old.shape[3])
            self.layers[layer][:, :, : self.columns] = old
        self.columns = grown

    def copy(self, sources: Tensor, targets: Tensor, length: int) -> None:
        """Copy the first ``length`` tokens of some slots to other ones, (k,) int64 each."""
        for stored in self.layers:
            part = stored[:, :, :length]
            part[targets] = part[sources]

    def swap(self, first: Tensor, second: Tensor) -> None:
        """Exchange the contents of (k,) int64 slots with those of (k,) other ones."""
        here, there = torch.cat([first, second]), torch.cat([second, first])
        for stored in self.layers:
            stored[here] = stored[there]

    def appending(self, slots: Sequence[int], starts: Sequence[int], segment: Segment) -> Attend:
        """Return attention that appends several tokens to some rows.

        Args:
            slots: R' different slots.
            starts: tokens that each slot holds already.
            segment: (R', W) which tokens are real, as they are packed.
        """
        device = self.device
        slot, start = torch.tensor(slots, device=device), torch.tensor(starts, device=device)
        width = segment.valid.shape[1]
        position = start[:, None] + torch.arange(width, device=device)
        rows = (slot[:, None] * self.heads + torch.arange(self.heads, device=device))[:, None]
        flat = rows * self.columns + position[..., None]  # (R', W, kv_heads)
        written = flat.flatten(0, 1)[segment.real].flatten()
        packed = segment.real if segment.dense and len(segment.real) < segment.tokens else None
        end = min(max(starts) + width, self.columns)
        fresh = not any(starts)
        whole = list(slots) == list(range(slots[0], slots[0] + len(slots)))
        mask = None
        if not fresh:
            unseen = torch.arange(end, device=device) > position[..., None]
            mask = torch.zeros(unseen.shape, dtype=self.dtype, device=device)
            mask = mask.masked_fill_(unseen, unseen_score(self.dtype))[:, None]

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            stored, new = self.layers[layer], torch.cat([keys, values], dim=1).to(self.dtype)
            own = new if packed is None else new[packed]
            stored.view(-1, self._dim).index_copy_(0, written, own.view(-1, self._dim))
            if fresh:
                seen = segment.padded(new).transpose(1, 2)
            elif whole:
                seen = stored[slots[0] : slots[0] + len(slots), :, :end]
            else:
                seen = stored[:, :, :end].index_select(0, slot)
            asked = segment.padded(queries.to(self.dtype)).transpose(1, 2)
            attended = grouped_attention(asked, *seen.chunk(2, dim=1), mask=mask, causal=fresh)
            return segment.packed(attended).to(queries.dtype)

        return attend


class Step:
    """Attention of decoding: `begin` appends one token to each of the first n slots.

    Args:
        cache: the keys and values.
        positions: (n,) int64: tokens that each of the slots holds.
        longest: the largest of them.
        even: whether they are all the same.
    """

    def __init__(
        self, cache: KeyValueCache, positions: Tensor, longest: int, *, even: bool
    ) -> None:
        self._layers = cache.layers
        heads, columns, device = cache.heads, cache.columns, positions.device
        slots = torch.arange(len(positions), device=device)
        rows = slots[:, None] * heads + torch.arange(heads, device=device)
        self._rows, self._slots = rows * columns, slots * columns
        self._visible: Tensor | None = None
        if not even:
            unseen = torch.arange(columns, device=device) >= positions[:, None]
            self._visible = torch.zeros(unseen.shape, dtype=cache.dtype, device=device)
            self._visible.masked_fill_(unseen, unseen_score(cache.dtype))
        self._written, self._end, self._mask = rows, longest, self._visible

    def begin(self, positions: Tensor) -> None:
        """Set the (n,) int64 columns that the next tokens are written to; n may fall."""
        n = len(positions)
        self._end += 1
        self._written = (self._rows[:n] + positions[:, None]).flatten()
        if self._visible is not None:
            self._visible.view(-1).index_fill_(0, self._slots[:n] + positions, 0.0)
            self._mask = self._visible[:n, None, None, : self._end]

    def __call__(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend; see `Attend`."""
        n, heads, dim = keys.shape
        stored = self._layers[layer]
        new = torch.cat([keys, values], dim=1).to(stored.dtype)
        stored.view(-1, dim).index_copy_(0, self._written, new.view(-1, dim))
        seen = stored[:n, :, : self._end]
        attended = F.scaled_dot_product_attention(
            queries.to(stored.dtype).view(n, heads, -1, dim),  # a head's queries as rows of one
            seen[:, :heads],
            seen[:, heads:],
            attn_mask=self._mask,
        )
        return attended.reshape(n, -1).to(queries.dtype)
