"""`Rows`: which row is in which slot of the cache, and the loop that decodes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from selfcorrect_agents.lm.decoders.cache import KeyValueCache, Step
from selfcorrect_agents.lm.decoders.decoder import Decoder
from selfcorrect_agents.lm.decoders.graphs import CapturedStep
from selfcorrect_agents.lm.decoders.packing import Segment

CHUNK = 2048
"""Tokens that are read in one forward pass, at most."""

IDLE = 1 / 16
"""Share of a batch that may have ended before its rows are moved or replaced."""

IDLE_CAPTURED = 1 / 4
"""The same on a GPU, where a step is recorded anew whenever rows are moved."""

ALIGNED = 64
"""On a GPU the cache has a multiple of this many columns, as fast attention kernels want."""


class Cells(Protocol):
    """Draws tokens and stores them: a cell for each (row, position), in row-major order."""

    cap: int
    """Positions of a row."""
    dump: int
    """The cell of rows that ended."""

    def pick(self, hidden: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Draw and store the tokens of (n,) cells.

        Args:
            hidden: (n, H) hidden states that predict them.
            cells: (n,) int64.

        Returns:
            (n,) int64 tokens, and (n,) bool: True where they end a turn or reach the cap.
        """
        ...


class Rows:
    """The token ids of B rows, and a cache with slots for S ≤ B of them.

    Args:
        decoder: computes the rows.
        prompts: the ids of each group's prompt.
        samples: rows of a group.
        cache: with S slots.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[Sequence[int]],
        samples: int,
        cache: KeyValueCache,
    ) -> None:
        self._decoder, self._samples, self._cache = decoder, samples, cache
        self._prompts = [list(prompt) for prompt in prompts]
        self._rest: list[list[int]] = [[] for _ in range(len(prompts) * samples)]
        self._row = [-1] * cache.slots  # the row in each slot
        self._stored = [0] * len(self._rest)  # tokens of each row that are in its slot
        self._prompt_hidden: dict[int, Tensor] = {}

    def extend(self, rows: Sequence[Sequence[int]], *, decoded: bool = False) -> None:
        """Append tokens to each row; if `run` ``decoded`` them, all but the last are stored."""
        for row, tokens in enumerate(rows):
            self._rest[row].extend(tokens)
        if decoded:
            for row in self._row:
                self._stored[row] += len(rows[row]) - 1

    def run(self, cells: Cells) -> None:
        """Decode one turn of every row."""
        self._limit = cells.cap + max(map(self._length, range(len(self._rest))))
        self._forward = self._decoder.fast_pass(self._limit)
        waiting = deque(row for row in range(len(self._rest)) if not self._stored[row])
        first = [row if row >= 0 else waiting.popleft() for row in self._row]
        flight = Flight(len(first), cells, self._cache.device)
        self._enter(flight, list(range(len(first))), first)
        while True:
            while waiting and (free := flight.over()):
                slots = free[: len(waiting)]
                self._enter(flight, slots, [waiting.popleft() for _ in slots])
            self._compact(flight)
            if not len(flight):
                break
            self._decode(flight)
        self._prompt_hidden.clear()

    def _length(self, row: int) -> int:
        return len(self._prompts[row // self._samples]) + len(self._rest[row])

    def _decode(self, flight: Flight) -> None:
        """Decode until enough rows ended, or a row needs more columns than there are."""
        if self._cache.device.type == "cuda" and not self._decoder.waits_for_device:
            self._decode_captured(flight)
            return
        longest, even = flight.extent()
        self._cache.reserve(longest + 1, self._limit)
        step = Step(self._cache, flight.positions, longest, even=even)
        running, enough = len(flight), max(1, int(IDLE * len(flight)))
        while longest < self._cache.columns and len(flight) - running < enough:
            step.begin(flight.positions)
            hidden = self._forward(flight.tokens, flight.positions, step)
            running -= int(flight.advance(hidden))
            longest += 1

    def _decode_captured(self, flight: Flight) -> None:
        """As `_decode`, with steps of a CUDA graph: every step sees all columns of the cache."""
        limit = -(-self._limit // ALIGNED) * ALIGNED
        self._cache.reserve(limit, limit)
        step = Step(self._cache, flight.positions, limit, even=False)

        def advance() -> Tensor:
            step.begin(flight.positions)
            return flight.advance(self._forward(flight.tokens, flight.positions, step))

        captured = CapturedStep(advance, flight.state)
        running, enough = len(flight), max(1, int(IDLE_CAPTURED * len(flight)))
        while len(flight) - running < enough:
            running -= int(captured())

    def _compact(self, flight: Flight) -> None:
        """Move the rows that go on to the first slots, and leave the others out of the flight."""
        first, second = flight.exchanges()
        if first:
            pairs = [torch.tensor(slots, device=self._cache.device) for slots in (first, second)]
            self._cache.swap(*pairs)
            for i, j in zip(first, second, strict=True):
                self._row[i], self._row[j] = self._row[j], self._row[i]
        flight.keep(first, second)

    # -- reading ------------------------------------------------------------------------
    def _enter(self, flight: Flight, slots: Sequence[int], rows: Sequence[int]) -> None:
        """Put rows into slots, read what is not stored of them, and draw their first tokens."""
        for slot, row in zip(slots, rows, strict=True):
            if self._row[slot] not in (row, -1):
                self._stored[self._row[slot]] = 0
            self._row[slot] = row
        slot_of = dict(zip(rows, slots, strict=True))
        hidden: dict[int, Tensor] = {}
        leaders = self._leaders(slot_of)
        hidden.update(self._read([row for row in rows if row in leaders], slot_of))
        self._share_prompts(slot_of)
        others = [row for row in rows if row not in leaders]
        known = [row for row in others if self._stored[row] == self._length(row)]
        hidden.update({row: self._prompt_hidden[row // self._samples] for row in known})
        hidden.update(self._read([row for row in others if row not in hidden], slot_of))
        flight.enter(
            slots,
            rows,
            [self._stored[row] for row in rows],
            torch.stack([hidden[row] for row in rows]),
        )

    def _leaders(self, slot_of: dict[int, int]) -> set[int]:
        """Rows that must read their group's prompt: no other row has it in its slot."""
        groups = {row // self._samples for row in self._row if row >= 0 and self._stored[row]}
        leaders = set[int]()
        for row in slot_of:
            if not self._stored[row] and row // self._samples not in groups:
                groups.add(row // self._samples)
                leaders.add(row)
        return leaders

    def _share_prompts(self, slot_of: dict[int, int]) -> None:
        """Copy prompts to the rows that lack theirs."""
        having = {
            row // self._samples: slot
            for slot, row in enumerate(self._row)
            if row >= 0 and self._stored[row]
        }
        lacking = [row for row in slot_of if not self._stored[row]]
        if not lacking:
            return
        for row in lacking:
            prompt = len(self._prompts[row // self._samples])
            read = row // self._samples in self._prompt_hidden and not self._rest[row]
            self._stored[row] = prompt if read or self._rest[row] else prompt - 1
        device = self._cache.device
        self._cache.copy(
            torch.tensor([having[row // self._samples] for row in lacking], device=device),
            torch.tensor([slot_of[row] for row in lacking], device=device),
            max(self._stored[row] for row in lacking),
        )

    def _read(self, rows: Sequence[int], slot_of: dict[int, int]) -> dict[int, Tensor]:
        """Read the tokens of some rows that are not stored; return each row's last hidden state."""
        if not rows:
            return {}
        self._cache.reserve(max(map(self._length, rows)), self._limit)
        last: dict[int, Tensor] = {}
        for chunk in _chunks([(row, self._stored[row], self._length(row)) for row in rows]):
            hidden = self._read_chunk(chunk, [slot_of[row] for row, *_ in chunk])
            for (row, _, end), state in zip(chunk, hidden, strict=True):
                last[row], self._stored[row] = state, end
                if not self._rest[row]:
                    self._prompt_hidden[row // self._samples] = state
        return last

    def _read_chunk(self, chunk: Sequence[tuple[int, int, int]], slots: Sequence[int]) -> Tensor:
        """Read pieces (row, start, end); return the last hidden state of each, (pieces, H)."""
        device = self._cache.device
        ids = [self._tokens(row)[start:end] for row, start, end in chunk]
        width = max(map(len, ids))
        lengths = torch.tensor([[len(piece)] for piece in ids], device=device)
        starts = [start for _, start, _ in chunk]
        column = torch.arange(width, device=device)
        segment = Segment(column < lengths)
        padded = torch.tensor([piece + [0] * (width - len(piece)) for piece in ids], device=device)
        positions = torch.tensor(starts, device=device)[:, None] + column
        hidden = self._forward(
            segment.packed(padded),
            segment.packed(positions.clamp(max=self._cache.columns - 1)),
            self._cache.appending(slots, starts, segment),
        )
        return hidden[segment.places.gather(1, lengths - 1)[:, 0]]

    def _tokens(self, row: int) -> list[int]:
        return self._prompts[row // self._samples] + self._rest[row]


class Flight:
    """The rows that are being decoded: row i of these tensors is in slot i of the cache.

    Args:
        rows: n.
        cells: draws and stores their tokens.
        device: where the tensors are.
    """

    def __init__(self, rows: int, cells: Cells, device: torch.device) -> None:
        self._cells = cells
        self.tokens = torch.zeros(rows, dtype=torch.long, device=device)
        """(n,) int64: the last token of each row, which is not in the cache yet."""
        self.positions = torch.zeros(rows, dtype=torch.long, device=device)
        """(n,) int64: tokens of each row that are in the cache."""
        self._at = torch.full((rows,), cells.dump, device=device)  # the cell of `tokens`
        self._running = torch.zeros(rows, dtype=torch.bool, device=device)

    def __len__(self) -> int:
        return len(self.tokens)

    def enter(
        self, slots: Sequence[int], rows: Sequence[int], stored: Sequence[int], hidden: Tensor
    ) -> None:
        """Draw the first tokens of new rows; ``hidden``, (k, H), predicts them."""
        device = self.tokens.device
        cells = torch.tensor(rows, device=device) * self._cells.cap
        tokens, over = self._cells.pick(hidden, cells)
        index = torch.tensor(slots, device=device)
        self.tokens[index], self._running[index] = tokens, ~over
        self.positions[index] = torch.tensor(stored, device=device)
        self._at[index] = cells.masked_fill(over, self._cells.dump)

    @property
    def state(self) -> list[Tensor]:
        """The tensors that `advance` changes in place."""
        return [self.tokens, self.positions, self._at, self._running]

    def advance(self, hidden: Tensor) -> Tensor:
        """Draw the tokens that (n, H) hidden states predict; return how many turns they end."""
        self.positions += self._running
        self._at += self._running
        tokens, over = self._cells.pick(hidden, self._at)
        self.tokens.copy_(tokens)
        over &= self._running
        self._running ^= over
        self._at.masked_fill_(over, self._cells.dump)
        return over.sum()

    def over(self) -> list[int]:
        """Return the slots of rows that ended."""
        return (~self._running).nonzero()[:, 0].tolist()

    def extent(self) -> tuple[int, bool]:
        """Return the largest position of a row, and whether all are at the same one."""
        longest = int(self.positions.max())
        return longest, longest == int(self.positions.min())

    def exchanges(self) -> tuple[list[int], list[int]]:
        """Return slots of ended rows, and slots of running rows that should take their places."""
        running: list[bool] = self._running.tolist()
        left = sum(running)
        ended = [slot for slot in range(left) if not running[slot]]
        return ended, [slot for slot in range(left, len(running)) if running[slot]]

    def keep(self, ended: Sequence[int], running: Sequence[int]) -> None:
        """Put running rows in the places of ended ones, and drop all rows that ended."""
        order = list(range(int(self._running.sum())))
        for i, j in zip(ended, running, strict=True):
            order[i] = j
        index = torch.tensor(order, dtype=torch.long, device=self.tokens.device)
        self.tokens, self.positions = self.tokens[index], self.positions[index]
        self._at, self._running = self._at[index], self._running[index]


def _chunks(rows: Sequence[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Cut (row, start, end) into batches of at most `CHUNK` tokens; long rows into pieces."""
    batch: list[tuple[int, int, int]] = []
    room = CHUNK
    for row, start, end in rows:
        while start < end:
            piece = min(end, start + CHUNK)
            if piece - start > room:
                yield batch
                batch, room = [], CHUNK
            batch.append((row, start, piece))
            room -= piece - start
            start = piece
    if batch:
        yield batch
