"""`TinyConfig`: the configuration of a tiny base model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TinyConfig:
    """The configuration of a tiny base model, which determines its name in the cache."""

    task: str = "arithmetic"
    """The task: a key of `corpora.TASKS`, equal to the name of the task's problem set."""
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
    """Conversations per step; half of them have two turns."""
    learning_rate: float = 4e-3
    """Peak learning rate of AdamW at `hidden_size` 64, with cosine decay to zero; proportional to
    1/√width."""
    first_right: float = 0.5
    """Share of two-turn rows whose first answer is right."""
    copy: float = 0.67
    """Share of second replies that repeat the first answer."""
    fix: float = 0.05
    """Share of second replies with a right answer, independent of the first one. The remaining
    replies spoil: their answer differs from the first one and is wrong."""
    slips: float = 0.0
    """Share of replies whose working has a slip, in [0, 1): the digit of a random step is wrong,
    and the later steps continue from it. The answer does not depend on it."""
    doubts: float = 0.0
    """Share of second replies that add 1 to the first answer (9 becomes 0), right or wrong, among
    those to chains that end in a subtraction; `arithmetic` only. Above a half, the most likely
    second reply spoils right answers of such chains, so the base gets worse greedily, too."""
    operations: int = 3
    """Number of operations in a problem, as counted by the task's problem set."""

    def __post_init__(self) -> None:
        sizes = (self.hidden_size, self.layers, self.heads)
        if min(*sizes, self.steps, self.rows, self.operations) < 1:
            raise ValueError(
                "hidden_size, layers, heads, steps, rows and operations must be at least 1."
            )
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size must be a multiple of 2 × heads = {2 * self.heads}, "
                f"got {self.hidden_size}."
            )
        if not (0 <= self.first_right <= 1 and self.learning_rate > 0 and self.seed >= 0):
            raise ValueError("first_right must be in [0, 1], learning_rate > 0, seed >= 0.")
        if not (self.copy >= 0 and self.fix >= 0 and self.copy + self.fix <= 1):
            raise ValueError("copy and fix must be at least 0, and their sum at most 1.")
        if not (0 <= self.slips < 1 and 0 <= self.doubts < 1):
            raise ValueError(
                f"slips and doubts must be in [0, 1), got {self.slips} and {self.doubts}."
            )
        if self.doubts and self.task != "arithmetic":
            raise ValueError(f"doubts is an option of the task arithmetic, not of {self.task}.")
