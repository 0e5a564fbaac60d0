"""`EngineSampler`: turns sampled by TRL's own engine, ids in and ids out.

TRL's engine is what its arguments select: vLLM, continuous batching, or ``generate`` of
transformers, with the weights of sharded models gathered as it needs them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from selfcorrect_agents.lm.turns import Context, TokenColumns, Turn, TurnEnds


class EngineSampler:
    """A `Sampler` on a TRL trainer's engine.

    Args:
        trainer: a ``GRPOTrainer``. Its temperature and its ``max_completion_length`` are used.
        ends: how turns end.
    """

    def __init__(self, trainer: Any, ends: TurnEnds) -> None:
        self.trainer, self.ends = trainer, ends

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> Context:
        """Read prompts; row ``i`` of the context belongs to prompt ``i // samples``."""
        columns = TokenColumns(len(prompts), self.ends.pad_id, self.trainer.accelerator.device)
        columns.read(prompts)
        columns.repeat(samples)
        return EngineContext(self, columns)


class EngineContext:
    """Rows of ids that TRL's engine continues; see `Context`.

    Every turn is asked for with all ids before it: an engine with a prefix cache reads them once.
    """

    def __init__(self, sampler: EngineSampler, columns: TokenColumns) -> None:
        self._trainer, self._ends, self._columns = sampler.trainer, sampler.ends, columns
        self.ended = torch.zeros(len(columns.ids), dtype=torch.bool, device=columns.ids.device)

    @property
    def ids(self) -> Tensor:
        """(B, T) int64: every token so far; padding may be anywhere."""
        return self._columns.ids

    @property
    def mask(self) -> Tensor:
        """(B, T) bool: True on real tokens."""
        return self._columns.mask

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        self._columns.read(rows)

    def sample(
        self,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator | None = None,
        top_p: float = 1.0,
    ) -> Turn:
        """Sample one turn of every row and append it.

        The arguments are those that the engine was set up with; it has its own random numbers.
        `Turn.logps` is NaN where the engine gives none.
        """
        prompts = [row[real].tolist() for row, real in zip(self.ids, self.mask, strict=True)]
        sampled, logps = self._trainer._generate_single_turn(prompts, None, {}, 1)
        rows = [self._cut(ids) for ids in sampled]
        width = max(map(len, rows))
        device = self.ids.device
        ids = torch.full((len(rows), width), self._ends.pad_id, device=device)
        mask = torch.zeros((len(rows), width), dtype=torch.bool, device=device)
        values = torch.zeros((len(rows), width), device=device)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, device=device)
            mask[i, : len(row)] = True
            given = [math.nan] * len(row) if logps is None else logps[i][: len(row)]
            values[i, : len(row)] = torch.tensor(
                [math.nan if value is None else value for value in given], device=device
            )
        ends = [bool(row) and row[-1] in self._ends.end_ids for row in rows]
        ended = torch.tensor(ends, device=device)
        turn = Turn(ids, mask, values, ended)
        self.take(turn)
        return turn

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        self._columns.append(self._ends.as_context(turn), turn.mask)
        self.ended = turn.ended

    def _cut(self, ids: Sequence[int]) -> list[int]:
        """Return a reply up to its first end: TRL's engine may know fewer ends than we do."""
        ends = (i + 1 for i, token in enumerate(ids) if token in self._ends.end_ids)
        return list(ids[: next(ends, len(ids))])
