"""Values for the letters of expressions that are compared by evaluation."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction

from selfcorrect_env.verifiers.math.exact import UndefinedError, rational
from selfcorrect_env.verifiers.math.letters import literal
from selfcorrect_env.verifiers.math.trees import Node, children, functions

BY_CASES = frozenset(["floor", "ceil", "abs", "max", "min", "gcd", "lcm"])
_LARGEST_INTEGER, _LARGEST_BOUND = 60, 30
_LARGEST_LITERAL = 200
"""Largest number in an expression at which, and at whose double, its integer letters are drawn."""
_MOST = Fraction(10**18)
_FAR = 8
"""Number of the ways to draw a real value, which alternate."""
_NEAR = (3, 7)
"""Those of them that are near a number of the expressions, or its negative."""


class Draws:
    """Draws of values: real letters near zero and far out, integers without repetition.

    Args:
        nodes: the expressions.
        known: what is known of letters (`selfcorrect_env.verifiers.math.letters.kinds`).
        letters: the letters to draw, in order.
        rng: the source of randomness.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        known: set[tuple[str, str]],
        letters: Sequence[str],
        rng: random.Random,
    ) -> None:
        self.rng = rng
        self.letters = letters
        self.kinds = {name: {kind for it, kind in known if it == name} for name in letters}
        self.cases = any(BY_CASES & functions(node) or has_even_root(node) for node in nodes)
        """Whether an expression may change its form far from zero: ``|x - 100|``."""
        sizes = set().union(*map(_literals, nodes))
        self.literals = sorted(size for size in sizes if 1 < size <= _MOST) or [2]
        self.integers = {name: self._integers(name) for name in letters}

    def point(self, attempt: int) -> dict[str, Fraction]:
        """Return values for all letters."""
        return {name: self._draw(name, attempt, i) for i, name in enumerate(self.letters)}

    def _integers(self, name: str) -> list[int]:
        bound = "bound" in self.kinds[name]
        most = _LARGEST_BOUND if bound else _LARGEST_INTEGER
        found = list(range(1, most + 1))
        self.rng.shuffle(found)
        own = [size for size in self.literals if size <= (most if bound else _LARGEST_LITERAL)]
        first = [value for size in own[-4:] for value in (size + 1, size, 2 * size)]
        return list(dict.fromkeys([*first, *found]))

    def _draw(self, name: str, attempt: int, index: int) -> Fraction:
        """Return a value for a letter; the signs of three letters run through all combinations."""
        if "integer" in self.kinds[name]:
            values = self.integers[name]
            return Fraction(values[attempt % len(values)])
        size = Fraction(self.rng.randint(10**5, 4 * 10**6), self.rng.randint(10**6, 2 * 10**6) | 1)
        turn = attempt
        if self.cases:
            turn += attempt // _FAR
            size = self._scaled(size, attempt)
            size = abs(size) if "positive" in self.kinds[name] else size
        else:
            size *= (1, 10, 1, Fraction(1, 5), 1)[attempt % 5]
        positive = "positive" in self.kinds[name]
        near = self.cases and attempt % _FAR in _NEAR
        return -size if not (near or positive) and turn >> (index % 3) & 1 else size

    def _scaled(self, size: Fraction, attempt: int) -> Fraction:
        """Return a value near zero, near a number of the expressions, or beyond all of them."""
        largest, all_of_them = self.literals[-1], min(math.prod(self.literals), _MOST)
        if (way := attempt % _FAR) in _NEAR:
            count = attempt // _FAR * len(_NEAR) + _NEAR.index(way)
            ends = [sign * size for size in reversed(self.literals) for sign in (1, -1)]
            return ends[count % len(ends)] + (size - 1) / 4
        scales = (1, 10, largest, 0, 10**3, 10**6, all_of_them)
        return scales[way] * size


def has_even_root(node: Node) -> bool:
    """Return whether a root of even degree occurs: ``\\sqrt{x^2}`` is ``|x|``."""
    exponent = literal(node[2]) if node[0] == "power" else None
    if exponent is not None and exponent.denominator % 2 == 0:
        return True
    if node[0] == "call" and node[1] == "root":
        degree = literal(node[2][1])
        if degree is None or degree.numerator % 2 == 0:
            return True
    return any(map(has_even_root, children(node)))


def _literals(node: Node) -> set[int]:
    """Return the numerators and denominators of all rational numbers in a tree."""
    found = set().union(*map(_literals, children(node)))
    try:
        value = rational(node)
    except UndefinedError:
        value = None
    return found if value is None else found | {abs(value.numerator), value.denominator}
