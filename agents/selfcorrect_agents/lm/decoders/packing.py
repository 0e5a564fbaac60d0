"""`PackedRows`: rows of token ids without padding, in which a group of rows shares its prompt."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from selfcorrect_agents.lm.decoders.attention import grouped_attention, unseen_score
from selfcorrect_agents.lm.decoders.decoder import Attend

DENSE = 0.9
"""A segment with at least this share of real tokens keeps its padding: reading a few tokens more is
cheaper than gathering and scattering in every layer."""


class Segment:
    """R rows of at most W tokens each, right-padded, as places among packed tokens.

    Args:
        valid: (R, W) bool, True on real tokens.
    """

    def __init__(self, valid: Tensor) -> None:
        self.valid = valid
        """(R, W) bool: True on real tokens."""
        self.real = valid.flatten().nonzero()[:, 0]
        """Indices of the real tokens among the R · W."""
        self.dense = len(self.real) >= DENSE * valid.numel()
        """Whether the padding is packed as well, so that packed tokens are simply R · W rows."""
        self.tokens = valid.numel() if self.dense else len(self.real)
        """Number of packed tokens."""
        places = torch.arange(valid.numel(), device=valid.device)
        if not self.dense:
            places = (valid.flatten().long().cumsum(0) - 1).clamp_(min=0)
        self.places = places.view_as(valid)
        """(R, W) int64: the place of each token; that of another one on padding."""

    def packed(self, padded: Tensor) -> Tensor:
        """(R, W, …) -> (tokens, …)."""
        flat = padded.flatten(0, 1)
        return flat if self.dense else flat.index_select(0, self.real)

    def padded(self, packed: Tensor) -> Tensor:
        """(tokens, …) -> (R, W, …), arbitrary on padding."""
        flat = packed if self.dense else packed.index_select(0, self.places.flatten())
        return flat.unflatten(0, tuple(self.valid.shape))


class PackedRows:
    """B rows in groups of n, packed: first the prompts of the groups, then the rest of each row.

    A group's prompt is the longest common beginning of its rows, one token less than the shortest
    row at most. Make it with `pack_rows`.
    """

    def __init__(self, ids: Tensor, positions: Tensor, mask: Tensor, samples: int) -> None:
        rows, samples = len(ids), max(1, samples)
        self.samples = samples
        self.real = mask
        """(B, T) bool: the mask of the batch that was packed."""
        self.index_in_row = positions
        """(B, T) int64: the index of each real token in its row."""
        lengths = mask.sum(1)
        left = ids.new_zeros(rows, int(lengths.max()))
        left[mask.nonzero()[:, 0], positions[mask]] = ids[mask]  # every row from its first token
        shared = _common_prefix(left.view(-1, samples, left.shape[1]), lengths.view(-1, samples))
        self._left = left
        self.prompt_lengths = shared
        """(B / n,) int64: tokens that the rows of a group share."""
        begins = shared.repeat_interleave(samples)
        places = torch.arange(left.shape[1], device=ids.device)
        self.prompts = Segment(places[: int(shared.max())] < shared[:, None])
        rest = places[: int((lengths - begins).max())]
        self.rests = Segment(rest < (lengths - begins)[:, None])
        columns = (begins[:, None] + rest).clamp(max=left.shape[1] - 1)
        prompts = left[::samples, : self.prompts.valid.shape[1]]
        self.ids = torch.cat(
            [self.prompts.packed(prompts), self.rests.packed(left.gather(1, columns))]
        )
        """(N,) int64: the packed tokens."""
        self.positions = torch.cat(
            [
                self.prompts.packed(places[: prompts.shape[1]].expand_as(prompts)),
                self.rests.packed(columns),
            ]
        )
        """(N,) int64: the index of each packed token in its own row."""
        self._computed: tuple[object, Tensor] | None = None

    def once(self, owner: object, compute: Callable[[], Tensor]) -> Tensor:
        """Return what ``compute`` returned for these rows when it was first called by ``owner``."""
        if self._computed is None or self._computed[0] is not owner:
            self._computed = owner, compute()
        return self._computed[1]

    def predictors(self, columns: Tensor) -> Tensor:
        """Return where the hidden states are that predict the tokens in some columns.

        Args:
            columns: (C,) int64, each at least 1: columns of the batch that was packed, or T for the
                token after the last one.

        Returns:
            (B, C) int64, places among the packed tokens; arbitrary on padding.
        """
        return self.places_of(self.index_in_row[:, columns - 1])

    def places_of(self, indices: Tensor) -> Tensor:
        """(B, C) int64 indices of tokens in their rows -> (B, C) places among the packed tokens."""
        begins = self.prompt_lengths.repeat_interleave(self.samples)[:, None]
        own = self.rests.places + self.prompts.tokens
        place = own.gather(1, (indices - begins).clamp(0, own.shape[1] - 1))
        if not self.prompts.valid.shape[1]:
            return place
        given = self.prompts.places.repeat_interleave(self.samples, dim=0)
        prompt = given.gather(1, indices.clamp(max=given.shape[1] - 1))
        return torch.where(indices < begins, prompt, place)

    def rows(self) -> tuple[Tensor, Tensor]:
        """Return whole rows, right-padded: (B, L) int64 ids and their (B, L) bool mask."""
        places = torch.arange(self._left.shape[1], device=self._left.device)
        return self._left, places < self.real.sum(1)[:, None]

    def tokens_of_rows(self) -> tuple[Tensor, Tensor]:
        """Return the row and the column in `rows` of each packed token, two (N,) int64 tensors."""
        groups, members = len(self.prompt_lengths), len(self.real)
        first = torch.arange(groups, device=self.ids.device)[:, None] * self.samples
        every = torch.arange(members, device=self.ids.device)[:, None]
        rows = [
            segment.packed(numbers.expand(segment.valid.shape))
            for segment, numbers in ((self.prompts, first), (self.rests, every))
        ]
        return torch.cat(rows), self.positions

    def attention(self) -> Attend:
        """Return causal attention within each row, for one forward pass."""
        split = [self.prompts.tokens, self.rests.tokens]
        unseen = self._unseen()
        masks: dict[torch.dtype, Tensor] = {}  # of all layers: autograd keeps what it is given

        def attend(_: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            parts = zip(*(x.split(split) for x in (queries, keys, values)), strict=True)
            given, own = (
                [segment.padded(x).transpose(1, 2) for x in part]
                for segment, part in zip((self.prompts, self.rests), parts, strict=True)
            )
            if unseen is None:
                return self.rests.packed(grouped_attention(*own, causal=True))
            shared = [x.repeat_interleave(self.samples, dim=0) for x in given[1:]]
            mask = masks.get(queries.dtype)
            if mask is None:
                mask = torch.zeros(unseen.shape, dtype=queries.dtype, device=unseen.device)
                mask = masks[queries.dtype] = mask.masked_fill_(unseen, unseen_score(mask.dtype))
            both = [torch.cat(pair, dim=2) for pair in zip(shared, own[1:], strict=True)]
            return torch.cat(
                [
                    self.prompts.packed(grouped_attention(*given, causal=True)),
                    self.rests.packed(grouped_attention(own[0], *both, mask=mask)),
                ]
            )

        return attend

    def _unseen(self) -> Tensor | None:
        """(B, 1, S, P + S) bool: what a rest's tokens do not see; None without prompts."""
        prompt, width = self.prompts.valid.shape[1], self.rests.valid.shape[1]
        if not prompt:
            return None
        given = self.prompts.valid.repeat_interleave(self.samples, dim=0)[:, None]
        causal = torch.ones(width, width, dtype=torch.bool, device=given.device).tril()
        seen = torch.cat([given.expand(-1, width, -1), causal.expand(len(given), -1, -1)], dim=2)
        return ~seen[:, None]


def pack_rows(ids: Tensor, mask: Tensor, samples: int = 1) -> PackedRows:
    """Pack a batch of rows.

    Args:
        ids: (B, T) int64; padding may be anywhere.
        mask: (B, T) bool, True on real tokens; every row has one.
        samples: n, rows of one group, which follow each other; what their rows have in common at
            the beginning is packed once. 1 shares nothing.
    """
    positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    return PackedRows(ids, positions, mask, samples)


def _common_prefix(rows: Tensor, lengths: Tensor) -> Tensor:
    """(G, n, L) ids and (G, n) lengths -> (G,) int64 shared tokens; 0 for groups of one row."""
    if rows.shape[1] == 1:
        return lengths.new_zeros(len(rows))
    same = (rows == rows[:, :1]).all(dim=1).long().cumprod(dim=1).sum(dim=1)
    return torch.minimum(same, lengths.amin(dim=1) - 1)
