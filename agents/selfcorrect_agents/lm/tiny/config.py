"""`TinyConfig`: what determines a tiny base model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TinyConfig:
    """What determines a tiny base model, and so its place in the cache."""

    task: str = "arithmetic"
    """What it is taught: a name of `corpora.TASKS`, which is that of the task's problem set."""
    hidden_size: int = 64
    """Width of the residual stream; a multiple of 2 × `heads`."""
    layers: int = 2
    """Number of transformer blocks."""
    heads: int = 4
    """Number of attention heads."""
    seed: int = 0
    """Seed of the initial weights and of the pre-training data."""
    steps: int = 800
    """Optimiser steps of pre-training."""
    rows: int = 64
    """Conversations in one step, half of them with two turns."""
    learning_rate: float = 4e-3
    """Peak rate of AdamW at `hidden_size` 64, cosine to zero; falls with the root of width."""
    first_right: float = 0.5
    """Share of two-turn rows whose first answer is right."""
    copy: float = 0.67
    """Share of second replies that repeat the first answer."""
    fix: float = 0.05
    """Share of second replies that give a right answer whatever the first was.
    What is left over spoils: another answer than the first one that is not right either."""
    slips: float = 0.0
    """Share of replies whose working holds a slip, in [0, 1): the digit of one step, any of them,
    is another one, and the steps after it go on from there. The answer does not depend on it."""
    operations: int = 3
    """Number of operations in a problem, as the task's problem set counts them."""

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size must be a multiple of 2 × heads = {2 * self.heads}, "
                f"got {self.hidden_size}."
            )
        if min(self.layers, self.heads, self.steps, self.rows, self.operations) < 1:
            raise ValueError("layers, heads, steps, rows and operations must be at least 1.")
        if not (0 <= self.first_right <= 1 and self.learning_rate > 0 and self.seed >= 0):
            raise ValueError("first_right is a share, learning_rate above 0, seed at least 0.")
        if not (self.copy >= 0 and self.fix >= 0 and self.copy + self.fix <= 1):
            raise ValueError("copy and fix are shares: both >= 0 and their sum <= 1.")
        if not 0 <= self.slips < 1:
            raise ValueError(f"slips is a share, in [0, 1), got {self.slips}.")
