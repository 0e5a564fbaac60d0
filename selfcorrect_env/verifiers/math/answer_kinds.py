"""What an answer can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from selfcorrect_env.verifiers.math.trees import Node, names
from selfcorrect_env.verifiers.math.units import PhysicalUnit


@dataclass(frozen=True, slots=True)
class Unread:
    """What is not read; it equals its own spelling."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """An answer in words, without its case and the punctuation at its ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """An expression, perhaps with a unit."""

    value: Node
    unit: PhysicalUnit | None = None
    decimal: str = ""
    """Its text if it is written as a decimal: such a number may be rounded."""
    measured: Quantity | None = None
    """What it is if its last letters are a unit: ``3m``."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Several answers.

    The kind is ``list`` (without an order), ``order`` (with dots, or with conditions), ``all``
    (inequalities that hold together), ``{}``, ``minus`` (of sets), ``reals``, ``<>``, a pair of
    brackets such as ``()`` or ``[)``, ``union``, ``:`` (a ratio), ``and`` (2 feet 8 inches),
    ``cases`` (a function) of parts of the kind ``case`` (a value and its condition), or ``matrix``
    and the lengths of its rows.
    """

    kind: str
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    r"""Sides with ``=``, ``<``, ``\in`` … between them."""

    sides: tuple[Answer, ...]
    signs: tuple[str, ...]


Answer: TypeAlias = "Unread | Words | Quantity | Parts | Relation"


def names_in(answer: Answer) -> frozenset[str]:
    """Return the names in the expressions of an answer."""
    if isinstance(answer, Quantity):
        return names(answer.value)
    below = answer.parts if isinstance(answer, Parts) else ()
    below = answer.sides if isinstance(answer, Relation) else below
    return frozenset().union(*map(names_in, below))
