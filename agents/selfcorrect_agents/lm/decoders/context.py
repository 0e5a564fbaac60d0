"""`DecoderContext`: samples turns with a `Decoder`; rows leave the batch when they end.

Each row has a slot of the key-value cache. Rows that end are moved behind those that go on, so a
step computes only rows that are not finished. If there are fewer slots than rows, waiting rows
take the slots of rows that ended; their cache is read again if they are continued.

The uniform number of each (row, position) is drawn up front, so the tokens do not depend on the
order in which rows are computed, nor on the number of slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from selfcorrect_agents.lm.decoders.cache import KeyValueCache
from selfcorrect_agents.lm.decoders.decoder import Decoder
from selfcorrect_agents.lm.decoders.rows import Rows
from selfcorrect_agents.lm.drawing import draw, finite
from selfcorrect_agents.lm.turns import TokenRows, Turn, TurnEnds

LOGITS = 1 << 24
"""Logits that are computed at once, rows × vocabulary, at most (unless one row has more)."""


class DecodedModel(Protocol):
    """The interface that `DecoderContext` needs."""

    def computing(self) -> AbstractContextManager[Any]:
        """Return the context that forward passes run in."""
        ...

    def head(self, hidden: Tensor) -> Tensor:
        """(…, H) hidden states -> (…, V) float32 logits."""
        ...

    def check_length(self, tokens: int) -> None:
        """Raise or warn where the model has no positions for rows of so many tokens."""
        ...

    @property
    def vocab_size(self) -> int:
        """V."""
        ...

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Precision of forward passes."""
        ...


class DecoderContext(TokenRows):
    """Rows of token ids in groups that share a prompt; see `Context`.

    Args:
        model: the policy.
        decoder: its forward pass.
        ends: how turns end.
        prompts: the ids of each group's prompt, at least one.
        samples: rows of a group.
        slots: rows in flight at once, ≥ 1; None puts all rows in flight.
    """

    def __init__(
        self,
        model: DecodedModel,
        decoder: Decoder,
        ends: TurnEnds,
        prompts: Sequence[Sequence[int]],
        samples: int,
        slots: int | None = None,
    ) -> None:
        super().__init__(ends, prompts, samples, model.device)
        self._model = model
        rows = len(self.ids)
        cache = KeyValueCache(decoder, min(rows, slots or rows), model.dtype, model.device)
        self._rows = Rows(decoder, prompts, samples, cache)

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row; they are computed when the next turn is sampled."""
        super().read(rows)
        self._rows.extend(rows)

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        self._take(turn, decoded=False)

    def _take(self, turn: Turn, *, decoded: bool) -> None:
        super().take(turn)
        ids = self.ends.as_context(turn)
        lengths = turn.mask.sum(dim=1).tolist()
        tokens = [row[:n] for row, n in zip(ids.tolist(), lengths, strict=True)]
        self._rows.extend(tokens, decoded=decoded)

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
        shape = len(self.ids), max_new_tokens
        uniforms = torch.rand(shape, generator=generator, device=self._model.device)
        drawn = Drawn(self._model, self.ends, uniforms, temperature, top_p)
        with self._model.computing():
            self._rows.run(drawn)
        turn = drawn.turn()
        self._take(turn, decoded=True)
        return turn


class Drawn:
    """The tokens of a turn as they are drawn; see `Cells`.

    Args:
        model: makes logits of hidden states.
        ends: how turns end.
        uniforms: (B, cap) float32 in [0, 1): the numbers that the tokens are drawn by.
        temperature: see `draw`.
        top_p: see `draw`.
    """

    def __init__(
        self,
        model: DecodedModel,
        ends: TurnEnds,
        uniforms: Tensor,
        temperature: float,
        top_p: float,
    ) -> None:
        rows, self.cap = uniforms.shape
        device = uniforms.device
        self.dump = rows * self.cap
        self._model, self._temperature, self._top_p = model, temperature, top_p
        self._ends = ends.table(model.vocab_size, device)
        self._uniforms = F.pad(uniforms.flatten(), (0, 1))
        self._pad_id = ends.pad_id
        self._ids = torch.full((self.dump + 1,), -1, device=device)
        self._logps = torch.zeros(self.dump + 1, device=device)
        self._last = torch.zeros(self.dump + 1, dtype=torch.bool, device=device)
        self._last[self.cap - 1 : -1 : self.cap] = True
        self._chunk = max(1, LOGITS // model.vocab_size)
        self._text = ends.text
        states = 0 if ends.text is None else self.dump + 1
        self._written = torch.zeros(states, dtype=torch.uint8, device=device)  # after each cell

    def pick(self, hidden: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Draw and store the tokens of (n,) cells; see `Cells.pick`."""
        numbers = self._uniforms[cells]
        parts = [
            draw(self._model.head(states), u, self._temperature, self._top_p)
            for states, u in zip(hidden.split(self._chunk), numbers.split(self._chunk), strict=True)
        ]
        tokens, logps = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        self._ids.index_copy_(0, cells, tokens)
        self._logps.index_copy_(0, cells, logps)
        return tokens, self._over(tokens, cells) | self._last[cells]

    def _over(self, tokens: Tensor, cells: Tensor) -> Tensor:
        """(n,) bool: whether the tokens of (n,) cells end their turns."""
        if self._text is None:
            return self._ends[tokens]
        before = self._written[(cells - 1).clamp(min=0)].long()
        before = before.masked_fill(cells % self.cap == 0, 0)
        written = self._text.table(tokens.device)[before, tokens]
        self._written.index_copy_(0, cells, written)
        return self._ends[tokens] | (written == self._text.whole)

    def turn(self) -> Turn:
        """Return what was drawn.

        Raises:
            DivergenceError: a log-probability is not finite.
        """
        ids, logps = (x[:-1].view(-1, self.cap) for x in (self._ids, self._logps))
        lengths = (ids >= 0).sum(dim=1)
        last = lengths - 1 + torch.arange(len(ids), device=ids.device) * self.cap
        ended = self._ends[self._ids[last]]
        if self._text is not None:
            ended = ended | (self._written[last] == self._text.whole)
        ids, logps = (x[:, : int(lengths.max())] for x in (ids, logps))
        mask = ids >= 0
        return finite(Turn(ids.masked_fill(~mask, self._pad_id), mask, logps, ended))
