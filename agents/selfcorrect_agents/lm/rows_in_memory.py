"""`rows_in_memory`: how many conversations a model plays at once, so that its cache fits."""

from __future__ import annotations

from selfcorrect_agents.lm.free_memory import free_memory
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.shapes import ModelShape

SHARE = 0.5
"""Share of the free memory that keys and values may take; logits and layers take the rest."""


def rows_in_memory(policy: Policy, rows: int, tokens: int, free: int | None = None) -> int | None:
    """Return how many rows' keys and values are in memory at once, ≥ 1.

    Args:
        policy: loaded.
        rows: rows that are sampled.
        tokens: tokens of a row, at most.
        free: bytes that are free on the policy's device; by default they are looked up.

    Returns:
        The number of rows; None if all of them fit, or if the sizes of the model are not known.
    """
    try:
        shape = ModelShape.of(policy.config)
    except ValueError:
        return None
    left = free_memory(policy.device) if free is None else free
    fitting = int(SHARE * left / (tokens * shape.cache(policy.dtype.itemsize)))
    return None if fitting >= rows else max(1, fitting)
