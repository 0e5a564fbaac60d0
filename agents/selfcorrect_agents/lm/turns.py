"""`Turn`, and the protocols `Sampler` and `Context`: token ids in, turns out, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[int]],
        logps: Sequence[Sequence[float]],
        ended: Sequence[bool],
        *,
        pad_id: int,
        device: torch.device | str = "cpu",
    ) -> Turn:
        """Return rows that another engine sampled as a turn.

        Args:
            rows: the ids of each row.
            logps: their log-probabilities.
            ended: whether the model ended each row's turn.
            pad_id: fills up shorter rows.
            device: of the tensors.
        """
        shape = len(rows), max(1, *map(len, rows))
        turn = cls(
            ids=torch.full(shape, pad_id),
            mask=torch.zeros(shape, dtype=torch.bool),
            logps=torch.zeros(shape),
            ended=torch.tensor(list(ended), device=device),
        )
        for i, (row, values) in enumerate(zip(rows, logps, strict=True)):
            turn.ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            turn.mask[i, : len(row)] = True
            turn.logps[i, : len(row)] = torch.tensor(values, dtype=torch.float32)
        return cls(turn.ids.to(device), turn.mask.to(device), turn.logps.to(device), turn.ended)

    def tokens(self) -> list[list[int]]:
        """Return the ids that were sampled in each row."""
        lengths = self.mask.sum(dim=1).tolist()
        return [ids[:n] for ids, n in zip(self.ids.tolist(), lengths, strict=True)]


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
        self,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None = None,
        top_p: float = 1.0,
    ) -> Turn:
        """Sample one turn of every row and append it.

        Args:
            max_new_tokens: the cap; a row that reaches it is cut off.
            temperature: 1 samples from the model; 0 takes the most likely token.
            generator: the source of randomness, on the policy's device.
            top_p: in (0, 1]; below 1, samples from the most likely tokens that together have at
                least this probability. Log-probabilities are those of this distribution.
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


@dataclass(frozen=True, slots=True)
class TurnEnds:
    """How turns end, and what fills up shorter rows."""

    pad_id: int
    """Fills up shorter rows."""
    end_ids: frozenset[int]
    """Ids that end a turn when they are sampled."""
    turn_end: int | None = None
    """The id that later turns read in the place of the one that ended the turn; None leaves what
    was sampled."""

    def table(self, vocab_size: int, device: torch.device) -> Tensor:
        """(V,) bool: whether each id ends a turn."""
        table = torch.zeros(vocab_size, dtype=torch.bool, device=device)
        known = [i for i in self.end_ids if i < vocab_size]
        table[torch.tensor(known, dtype=torch.long, device=device)] = True
        return table

    def as_context(self, turn: Turn) -> Tensor:
        """(B, N) int64: the ids of a turn as later turns read them."""
        if self.turn_end is None:
            return turn.ids
        ends = torch.tensor(sorted(self.end_ids), device=turn.ids.device)
        return turn.ids.masked_fill(torch.isin(turn.ids, ends) & turn.mask, self.turn_end)


class TokenColumns:
    """The (B, T) ids and mask of a context, which grow by segments.

    What is read is left-padded, what is sampled is right-padded, so the last column of a segment
    that was read is real in every row.
    """

    def __init__(self, rows: int, pad_id: int, device: torch.device) -> None:
        self._pad_id = pad_id
        self.ids = torch.zeros((rows, 0), dtype=torch.long, device=device)
        self.mask = torch.zeros((rows, 0), dtype=torch.bool, device=device)

    def append(self, ids: Tensor, mask: Tensor) -> None:
        """Append (B, N) ids and their mask."""
        self.ids = torch.cat([self.ids, ids], dim=1)
        self.mask = torch.cat([self.mask, mask], dim=1)

    def repeat(self, samples: int) -> None:
        """Repeat every row ``samples`` times: row ``i`` becomes rows ``i·samples …``."""
        self.ids = self.ids.repeat_interleave(samples, dim=0)
        self.mask = self.mask.repeat_interleave(samples, dim=0)

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        width = max(map(len, rows))
        ids = [[self._pad_id] * (width - len(tokens)) + list(tokens) for tokens in rows]
        lengths = torch.tensor([[len(tokens)] for tokens in rows])
        mask = torch.arange(width) >= width - lengths
        device = self.ids.device
        self.append(
            torch.tensor(ids, dtype=torch.long).to(device).view(len(rows), width), mask.to(device)
        )
