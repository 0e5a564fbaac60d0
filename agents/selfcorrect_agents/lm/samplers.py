"""`CachedSampler`: samples turns with a transformers model and a key-value cache.

To use another engine, implement the protocols `Sampler` and `Context`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from selfcorrect_agents.lm.decoders import Decoder
from selfcorrect_agents.lm.decoders.context import DecodedModel, DecoderContext
from selfcorrect_agents.lm.plain_context import CachedModel, PlainContext
from selfcorrect_agents.lm.turns import Context, Sampler, Turn, TurnEnds

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CachedSampler", "CausalLM", "Context", "Sampler", "Turn", "cache_argument"]


class CausalLM(CachedModel, DecodedModel, Protocol):
    """The interface that `CachedSampler` needs."""

    @property
    def decoder(self) -> Decoder | None:
        """Our own forward pass of the model; None if transformers runs it."""
        ...


class CachedSampler:
    """Samples with a transformers model, and continues from the cache of the turns before.

    A model with a `Decoder` decodes with it: rows leave the batch when they end. Any other model
    runs as transformers does, with all rows in memory until the last of them has ended.

    Args:
        model: runs the forward passes.
        ends: how turns end.
        rows_at_once: rows whose keys and values are in memory, ≥ 1; further rows wait for the
            end of one of them, or, without a `Decoder`, of all of them. What they sample does not
            depend on it. None puts all rows in memory.
    """

    def __init__(self, model: CausalLM, ends: TurnEnds, rows_at_once: int | None = None) -> None:
        self.model, self.ends, self.rows_at_once = model, ends, rows_at_once

    def start(self, prompts: Sequence[Sequence[int]], samples: int = 1) -> Context:
        """Start ``samples`` rows with each prompt, which is read once."""
        if (decoder := self.model.decoder) is None:
            return PlainContext(self.model, self.ends, prompts, samples, self.rows_at_once)
        return DecoderContext(self.model, decoder, self.ends, prompts, samples, self.rows_at_once)


def cache_argument(model: PreTrainedModel) -> str:
    """Return the name of the cache in the model's ``forward``: ``cache`` since transformers 5.24.

    For a model with peft adapters, it is that of the wrapped model.
    """
    base = cast(Any, model)
    if hasattr(base, "get_base_model"):
        base = base.get_base_model()
    named = "cache" in inspect.signature(base.forward).parameters
    return "cache" if named else "past_key_values"
