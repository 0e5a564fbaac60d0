"""The output of a template of the procedural set, and helpers that write LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

import sympy

Solved: TypeAlias = tuple[str, Any]
"""One or two sentences of working, and the answer: LaTeX as a str, or a sympy expression."""


@dataclass(frozen=True)
class Draft:
    """A problem before it is solved: many drafts are dropped, by split or as duplicates."""

    statement: str
    """The problem's text, with LaTeX."""
    solve: Callable[[], Solved]
    """Returns the working and the answer."""


@dataclass(frozen=True)
class Template:
    """A kind of problem."""

    name: str
    """Unique among all templates; part of the problem's metadata."""
    levels: tuple[int, ...]
    """The supported levels, 1 to 5."""
    make: Callable[[Random, int], Draft]
    """Draws a problem of a given level."""
    form: str | None = None
    """The form of the answer (`selfcorrect_env.verifiers.math.answer_forms`) that the statement
    asks for, where an expression of the statement is equal to the answer."""


def latex(value: Any) -> str:
    """Write ``value`` in LaTeX; a str is already LaTeX."""
    return value if isinstance(value, str) else sympy.latex(sympy.sympify(value))


def pair(*values: Any) -> str:
    """Write an ordered pair, triple …: ``(3, \\frac{1}{2})``."""
    return f"({listed(values)})"


def listed(values: Iterable[Any]) -> str:
    """Write values one after another: ``-3, \\frac{1}{2}``."""
    return ", ".join(map(latex, values))


def number_set(values: Iterable[Any]) -> str:
    """Write a finite set: ``\\{0, 9\\}``."""
    return f"\\{{{listed(values)}\\}}"


def interval(low: Any, high: Any, ends: str = "()") -> str:
    """Write an interval; ``ends`` are its two brackets: ``[2, \\infty)``."""
    return f"{ends[0]}{listed([low, high])}{ends[1]}"


def matrix(rows: Iterable[Iterable[Any]]) -> str:
    """Write a matrix in round brackets."""
    body = " \\\\ ".join(" & ".join(map(latex, row)) for row in rows)
    return f"\\begin{{pmatrix}} {body} \\end{{pmatrix}}"


def column(values: Iterable[Any]) -> str:
    """Write a column vector."""
    return matrix([value] for value in values)


def money(cents: int) -> str:
    """Write an amount of dollars: ``\\$4.50``, and ``\\$4`` if there are no cents."""
    return f"\\${cents // 100}" + (f".{cents % 100:02d}" if cents % 100 else "")


def degrees(value: int) -> str:
    """Write an angle: ``63^\\circ``."""
    return f"{value}^\\circ"


def with_unit(value: Any, unit: str, power: int = 1) -> str:
    """Write a quantity with its unit: ``12\\text{ cm}^2``."""
    return f"{latex(value)}\\text{{ {unit}}}" + (f"^{power}" if power > 1 else "")


def word(text: str) -> str:
    """Write an answer that is not a number: ``\\text{odd}``."""
    return f"\\text{{{text}}}"


def polynomial(coefficients: Sequence[Any], variable: str = "x") -> str:
    """Write a polynomial from its coefficients, the highest power first.

    >>> polynomial([1, -3, 0, 2])
    'x^3 - 3x^2 + 2'
    """
    text = ""
    for power, coefficient in zip(range(len(coefficients) - 1, -1, -1), coefficients, strict=True):
        if coefficient == 0:
            continue
        size = "" if abs(coefficient) == 1 and power else latex(abs(coefficient))
        letter = "" if power == 0 else variable if power == 1 else f"{variable}^{power}"
        sign = ("-" if coefficient < 0 else "") if not text else " - " if coefficient < 0 else " + "
        text += f"{sign}{size}{letter}"
    return text or "0"


def nonzero(rng: Random, bound: int) -> int:
    """Draw an integer from -bound to bound that is not 0."""
    return rng.choice([-1, 1]) * rng.randint(1, bound)
