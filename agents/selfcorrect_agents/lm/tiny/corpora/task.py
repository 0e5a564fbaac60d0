"""What a task of the tiny model consists of, and what a corpus is."""

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
    """(count,) the offset in characters of the first reply's answer digit where it must carry no
    loss, else -1. The working after it does carry loss: without it the model would learn to
    rationalise its wrong answers."""


@dataclass(frozen=True)
class Task:
    """What a tiny model needs to know of a task."""

    prompts: str
    """The name of its prompts (`selfcorrect_env.prompts`)."""
    symbols: str
    """The characters of its statements and replies, each of them a token. A statement ends in
    ``=``, which stands nowhere else."""
    corpus: Callable[[TinyConfig, int], Corpus]
    """Writes so many conversations about problems of the training split."""


DIGITS = "0123456789"


def other_digit(rng: np.random.Generator, *excluded: str, among: str = DIGITS) -> str:
    """Draw a digit that is none of ``excluded``."""
    return str(rng.choice([digit for digit in among if digit not in excluded]))
