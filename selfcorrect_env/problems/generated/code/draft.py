"""The output of a template of the built-in code problems, and helpers to draw arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class CodeDraft:
    """A problem before its tests are computed."""

    statement: str
    """The task of the function, in one or two sentences; ``NAME`` is replaced by its name."""
    program: str
    """The reference; ``NAME`` is replaced by the function's name."""
    arguments: Sequence[tuple[Any, ...]]
    """The arguments of each test, as plain values; the first three tests are shown."""


@dataclass(frozen=True)
class CodeTemplate:
    """A kind of problem."""

    name: str
    """Unique among all templates; also the name of the function."""
    topic: str
    level: int
    """1 to 5."""
    make: Callable[[Random], CodeDraft]
    """Draws a problem."""


def numbers(rng: Random, count: int, low: int = -20, high: int = 20) -> list[int]:
    """Draw ``count`` integers from ``low`` to ``high``."""
    return [rng.randint(low, high) for _ in range(count)]


def lists(rng: Random, low: int = -20, high: int = 20, count: int = 8) -> list[tuple[list[int]]]:
    """Draw arguments that are one list of integers each; the last two are edge cases."""
    drawn = [(numbers(rng, rng.randint(3, 8), low, high),) for _ in range(count - 2)]
    return [*drawn, ([rng.randint(low, high)],), ([],)]


def words(rng: Random, count: int = 8) -> list[tuple[str]]:
    """Draw arguments that are one text each; the last two are edge cases."""
    syllables = ("ba", "no", "ri", "tu", "ke", "lo", "sha", "mi", "zu", "ey", "ar", "on")

    def word() -> str:
        text = "".join(rng.choice(syllables) for _ in range(rng.randint(1, 3)))
        return text.capitalize() if rng.random() < 0.3 else text

    drawn = [(" ".join(word() for _ in range(rng.randint(2, 5))),) for _ in range(count - 2)]
    return [*drawn, (word(),), ("",)]
