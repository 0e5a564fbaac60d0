"""`Task` and `Corpus`: the definition of a task of the tiny model, and its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from selfcorrect_agents.lm.tiny.config import TinyConfig


class Corpus(NamedTuple):
    """Pre-training conversations."""

    texts: list[str]
    """The conversations; even rows have one turn, odd rows two."""
    masked: np.ndarray
    """(count,) the offset in characters of the first reply's answer digit if it must have no loss,
    else -1. The working after it has loss; otherwise the model would learn to rationalise its
    wrong answers."""


@dataclass(frozen=True)
class Task:
    """The definition of a task for a tiny model."""

    prompts: str
    """The name of its prompts (`selfcorrect_env.prompts`)."""
    symbols: str
    """The characters of statements and replies; each is a token. A statement ends with ``=``, which
    occurs nowhere else."""
    corpus: Callable[[TinyConfig, int], Corpus]
    """Returns the given number of conversations about problems of the training split."""


DIGITS = "0123456789"


def other_digit(rng: np.random.Generator, *excluded: str, among: str = DIGITS) -> str:
    """Draw a digit that is not in ``excluded``."""
    return str(rng.choice([digit for digit in among if digit not in excluded]))
