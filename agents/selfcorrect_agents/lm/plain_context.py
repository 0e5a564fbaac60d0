"""`PlainContext`: samples turns with any transformers model and its own cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
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


class PlainContext(TokenRows):
    """A batch of rows with the model's key-value cache of them; see `Context`.

    Rows that end stay in the batch until every row has ended.

    Args:
        model: the policy.
        ends: how turns end.
        prompts: the ids of each group's prompt, at least one.
        samples: rows of a group; their prompt is read once.
    """

    def __init__(
        self, model: CachedModel, ends: TurnEnds, prompts: Sequence[Sequence[int]], samples: int = 1
    ) -> None:
        from transformers import DynamicCache  # slow to import

        super().__init__(ends, prompts, samples, model.device)
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._logits: Tensor | None = None
        self._read_prompts(samples)

    @torch.no_grad()
    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Append given tokens to each row, left-padded to the longest."""
        super().read(rows)
        self._forward()

    def take(self, turn: Turn) -> None:
        """Append a turn that another context sampled."""
        super().take(turn)
        self._logits = None

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
        """
        shape, device = (len(self.ids), max_new_tokens), self.ids.device
        uniforms = torch.rand(shape, generator=generator, device=device)
        ends = self.ends.table(self._model.vocab_size, device)
        running = torch.ones(len(self.ids), dtype=torch.bool, device=device)
        ids, masks, logps = [], [], []
        for position in range(max_new_tokens):
            if self._logits is None:
                self._forward()
            logits = cast(Tensor, self._logits)
            token, logp = draw(logits, uniforms[:, position], temperature, top_p)
            token = torch.where(running, token, self.ends.pad_id)
            ids.append(token)
            masks.append(running)
            logps.append(torch.where(running, logp, 0.0))
            unended = running & ~ends[token]
            self.take(Turn(token[:, None], running[:, None], logp[:, None], ~unended))
            running = unended
            if not bool(running.any()):
                break
        turn = Turn(torch.stack(ids, 1), torch.stack(masks, 1), torch.stack(logps, 1), self.ended)
        return finite(turn)

    @torch.no_grad()
    def _read_prompts(self, samples: int) -> None:
        """Run the model over each prompt once, and repeat its cache for the rows of a group."""
        self._forward(slice(None, None, samples))
        if samples > 1:
            self._cache.batch_repeat_interleave(samples)
            self._logits = cast(Tensor, self._logits).repeat_interleave(samples, dim=0)

    def _forward(self, rows: slice = slice(None)) -> None:
        """Run the model over the tokens of rows that its cache lacks."""
        ids, mask = self.ids[rows], self.mask[rows]
        missing = ids.shape[1] - self._cache.get_seq_length()
        output = self._model.forward(
            input_ids=ids[:, -missing:],
            attention_mask=mask.long(),
            position_ids=positions(mask)[:, -missing:],
            use_cache=True,
            logits_to_keep=1,
            **{self._model.cache_argument: self._cache},
        )
        self._logits = output.logits[:, -1].float()


def positions(mask: Tensor) -> Tensor:
    """(B, T) bool -> (B, T) int64: the index of each real token in its own row."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
