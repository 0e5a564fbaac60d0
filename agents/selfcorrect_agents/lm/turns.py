"""`Turn`, and the protocols `Sampler` and `Context`: token ids in, turns out, on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from selfcorrect_agents.lm.ending_text import EndingText


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
    text: EndingText | None = None
    """A text that ends a turn as well. Its tokens are of the turn, and later turns read them."""

    def length(self, ids: Sequence[int]) -> int | None:
        """Return how many of the ids are up to the first end, which they include; None: no end."""
        first = next((i + 1 for i, token in enumerate(ids) if token in self.end_ids), None)
        text = None if self.text is None else self.text.length(ids[:first])
        return first if text is None else text

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


class TokenRows:
    """The part of a `Context` that does not depend on what samples: the tokens of each row.

    What is read is left-padded, what is sampled is right-padded, so the last column of a segment
    that was read is real in every row.

    Args:
        ends: how turns end.
        prompts: the ids of each prompt, at least one.
        samples: rows of each prompt: row ``i`` belongs to prompt ``i // samples``.
        device: of the tensors.
    """

    def __init__(
        self,
        ends: TurnEnds,
        prompts: Sequence[Sequence[int]],
        samples: int,
        device: torch.device | str,
    ) -> None:
        self.ends = ends
        """How turns end."""
        ids, mask = _left_padded(prompts, ends.pad_id, device)
        self.ids = ids.repeat_interleave(samples, dim=0)
        """(B, T) int64: every token so far; padding may be anywhere."""
        self.mask = mask.repeat_interleave(samples, dim=0)
        """(B, T) bool: True on real tokens."""
        self.ended = torch.zeros(len(self.ids), dtype=torch.bool, device=device)
        """(B,) bool: True where the model ended the last turn that was appended."""

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        self._append(*_left_padded(rows, self.ends.pad_id, self.ids.device))

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        self._append(self.ends.as_context(turn), turn.mask)
        self.ended = turn.ended

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(self.mask.sum(dim=1).max())

    def tokens(self) -> list[list[int]]:
        """Return the real tokens of each row."""
        return [row[real].tolist() for row, real in zip(self.ids, self.mask, strict=True)]

    def left_padded(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return the real tokens of some rows, (B, N) int64, left-padded, and their mask."""
        chosen = zip(self.ids[rows], self.mask[rows], strict=True)
        return _left_padded([ids[real].tolist() for ids, real in chosen],
                            self.ends.pad_id, self.ids.device)  # fmt: skip

    def _append(self, ids: Tensor, mask: Tensor) -> None:
        self.ids = torch.cat([self.ids, ids], dim=1)
        self.mask = torch.cat([self.mask, mask], dim=1)


def _left_padded(
    rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Return (B, N) ids and their mask, with the padding before the tokens."""
    width = max(map(len, rows))
    padded = [[pad_id] * (width - len(tokens)) + list(tokens) for tokens in rows]
    ids = torch.tensor(padded, dtype=torch.long).view(len(rows), width)
    lengths = torch.tensor([[len(tokens)] for tokens in rows])
    mask = torch.arange(width) >= width - lengths
    return ids.to(device), mask.to(device)
