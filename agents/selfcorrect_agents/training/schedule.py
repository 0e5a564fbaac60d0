"""Learning-rate schedules: the factor on a stage's learning rate at each of its steps.

The factor is a function of the step's number alone, so a resumed run needs no state of it.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from selfcorrect_agents.checks import check

Shape: TypeAlias = Literal["constant", "linear", "cosine"]
"""How the rate changes after warm-up: not at all, or down to 0 in a line or half a cosine."""

SHAPES: tuple[str, ...] = get_args(Shape)


def warmup_length(warmup: float, steps: int) -> int:
    """Return the number of warm-up steps, rounded up.

    Args:
        warmup: the number itself; below 1 a share of ``steps``.
        steps: steps of the whole schedule.

    >>> warmup_length(0.1, 25), warmup_length(10, 25)
    (3, 10)
    """
    return math.ceil(round(warmup * steps, 9) if warmup < 1 else warmup)


def rate_factor(shape: Shape, warmup: float, step: int, steps: int) -> float:
    """Return the factor on the learning rate, in (0, 1].

    In warm-up it rises in a line, from 1 / (n + 1) at the first of n steps. ``linear`` and
    ``cosine`` then fall to 0, which they would reach at the step after the last.

    Args:
        shape: what follows the warm-up.
        warmup: as in `warmup_length`.
        step: from 0; a step beyond ``steps`` has the factor of the last one.
        steps: steps of the whole schedule, ≥ 1.

    >>> [rate_factor("linear", 1, step, 5) for step in range(5)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    step, rising = min(step, steps - 1), warmup_length(warmup, steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    if shape == "constant":
        return 1.0
    done = (step - rising) / (steps - rising)
    return 1 - done if shape == "linear" else (1 + math.cos(math.pi * done)) / 2


def check_warmup(warmup: float) -> None:
    """Refuse a warm-up that is neither a share nor a whole number of steps.

    Raises:
        ValueError: it is below 0, or above 1 and no whole number.
    """
    valid = 0 <= warmup < 1 or (1 <= warmup < math.inf and warmup == int(warmup))
    check(valid, "warmup", "a number of steps, or a share of them in [0, 1)", warmup)


def depends_on_length(shape: Shape, warmup: float) -> bool:
    """Whether the factor at a step depends on the number of steps, so that no run can grow."""
    return shape != "constant" or 0 < warmup < 1
