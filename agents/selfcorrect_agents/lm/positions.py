"""`PositionLimit`: how many tokens a row may have, by the model's configuration."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from selfcorrect_agents.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


TOY = 256
"""Models with at most so many computed positions, such as the tiny ones, get no warning."""


@dataclass(frozen=True, slots=True)
class PositionLimit:
    """How many tokens a row may have."""

    tokens: int
    """The largest length that the model was made for."""
    fixed: bool
    """Whether longer rows are refused: the model has no positions for them, or other ones."""
    beyond: str = field(default="it has no positions beyond", compare=False)
    """Why they are refused."""

    def check(self, tokens: int, *, what: str) -> bool:
        """Return whether rows of so many tokens are within the limit; warn if they are not.

        Args:
            tokens: of the longest row.
            what: these tokens, in words.

        Raises:
            UnsupportedModelError: the model has no positions for them.
        """
        if tokens <= self.tokens:
            return True
        reason = f"{what} are up to {tokens:,} tokens, and the model was made for {self.tokens:,}"
        if self.fixed:
            raise UnsupportedModelError(
                f"{reason}: {self.beyond}. Lower the token cap (--max-new-tokens), or take a model "
                "with a longer context."
            )
        warnings.warn(
            f"{reason}: replies may make no sense beyond. Lower the token cap (--max-new-tokens).",
            stacklevel=3,
        )
        return False


def position_limit(model: PreTrainedModel) -> PositionLimit | None:
    """Return how many tokens a row of a model may have; None if its configuration names no limit.

    Toys are left out: of at most `TOY` computed positions. Where rotary positions are scaled,
    configurations name the length before or after it: the larger one counts.
    """
    text = model.config.get_text_config()
    named = getattr(text, "max_position_embeddings", None)
    if not named or not isinstance(named, int):
        return None
    if any(named <= size <= named + _OFFSET for size in _tables(model)):
        return PositionLimit(named, fixed=True)
    rope = _rope(text)
    before = rope.get("original_max_position_embeddings")
    if rope.get("rope_type", rope.get("type")) == "longrope" and before:
        return PositionLimit(int(before), fixed=True, beyond=_LONGROPE)
    limit = max(named, _scaled(text, named))
    return PositionLimit(limit, fixed=False) if limit > TOY else None


def _tables(model: PreTrainedModel) -> Iterator[int]:
    """Yield the lengths of tables that may be of positions."""
    words = model.get_input_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module is not words:
            yield module.num_embeddings
    for name, table in model.named_buffers():
        if name.endswith("embed_positions") and table.ndim:
            yield len(table)


def _scaled(text: Any, named: int) -> int:
    """Return the length that rotary positions are scaled to."""
    rope = _rope(text)
    if "factor" not in rope:
        return named
    before = rope.get("original_max_position_embeddings") or named
    return int(float(rope["factor"]) * before)


def _rope(text: Any) -> dict[str, Any]:
    """Return the settings of a model's rotary positions; empty without any."""
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    return rope if isinstance(rope, dict) else {}


_LONGROPE = (
    "beyond, it rotates the keys of a whole batch by other angles (longrope), after others are "
    "cached, and a reply's probabilities would depend on the rows beside it"
)
_OFFSET = 2
"""OPT has a table of two positions more than it names."""
