r"""Small, fast, exact algebra: do two expressions have the same value?

`value` writes an expression as a quotient of two polynomials in a canonical form. Every term is a
rational number times the root of a squarefree integer times powers of names. Names are letters,
``\pi``, ``e``, and all other expressions, such as ``\ln 2``: those are opaque: known only by their
spelling.

Terms of different kinds are linearly independent over the rationals as long as no opaque name
occurs, and not both of ``\pi`` and ``e``: letters are indeterminates, ``\pi`` and ``e`` are
transcendental. Then `equal` proves that two values differ; that they are equal it proves in all
cases.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from selfcorrect_env.verifiers.math.exact import UndefinedError, rational
from selfcorrect_env.verifiers.math.trees import Node

Powers: TypeAlias = "tuple[tuple[str | Node, Fraction], ...]"
Monomial: TypeAlias = "tuple[bool, int, Powers]"
"""Whether ``i`` is a factor; n of the factor √n, squarefree; names with their exponents."""
Polynomial: TypeAlias = "dict[Monomial, Fraction]"
"""Terms with coefficients that are not 0."""

MOST_TERMS = 100
"""Maximum number of terms of a polynomial."""
LARGEST_POWER = 12
"""Maximum exponent of a sum; that of a single term is 1000."""
LARGEST_RADICAND = 10**10
MOST_BITS = 4096
"""Maximum size of a coefficient."""

_ONE: Monomial = (False, 1, ())
_UNIT: Polynomial = {_ONE: Fraction(1)}


class AlgebraicValue(NamedTuple):
    """A quotient of two polynomials."""

    above: Polynomial
    below: Polynomial


class Unsupported(Exception):  # noqa: N818  no error: another method has to decide
    """The expression is too large for this module."""


def value(node: Node) -> AlgebraicValue | None:
    """Return the canonical form of an expression, or None if it is too large.

    Raises:
        UndefinedError: a division by zero.
    """
    try:
        return _value(node)
    except (Unsupported, RecursionError):
        return None


def equal(a: AlgebraicValue, b: AlgebraicValue) -> bool | None:
    """Return whether two values are equal; None if that is not known."""
    try:
        left, right = _times(a.above, b.below), _times(b.above, a.below)
    except Unsupported:
        return None
    if left == right:
        return True
    return False if independent(a, b) else None


def proportional(a: AlgebraicValue, b: AlgebraicValue) -> bool:
    """Return whether the numerators of two values differ by a rational factor other than 0.

    So ``a = 0`` and ``b = 0`` are the same equation, where their denominators are not 0.
    """
    left, right = a.above, b.above
    same_terms = bool(left) and set(left) == set(right)
    return same_terms and len({left[monomial] / right[monomial] for monomial in left}) == 1


def constant(a: AlgebraicValue) -> Fraction | None:
    """Return a value that is a rational number by its spelling, or None."""
    if not a.above:
        return Fraction(0)
    if set(a.above) != set(a.below):
        return None
    ratios = {a.above[monomial] / a.below[monomial] for monomial in a.above}
    return ratios.pop() if len(ratios) == 1 else None


def is_zero(a: AlgebraicValue) -> bool:
    """Return whether a value is 0 by its spelling."""
    return not a.above


def independent(*values: AlgebraicValue) -> bool:
    """Return whether the terms are known to be linearly independent over the rationals."""
    names = {name for v in values for side in v for monomial in side for name, _ in monomial[2]}
    return all(isinstance(name, str) for name in names) and not {r"\pi", "e"} <= names


def _value(node: Node) -> AlgebraicValue:
    kind = node[0]
    if kind == "number":
        return _constant(node[1])
    if kind == "name":
        if node[1] == r"\infty":
            raise Unsupported
        return (
            AlgebraicValue({(True, 1, ()): Fraction(1)}, _UNIT)
            if node[1] == "i"
            else _named(node[1])
        )
    if kind == "sum":
        total = _value(node[1][0])
        for term in node[1][1:]:
            total = _add(total, _value(term))
        return total
    if kind == "product":
        total = _value(node[1][0])
        for factor in node[1][1:]:
            total = _multiply(total, _value(factor))
        return total
    exact = rational(node)
    if exact is not None:
        return _constant(exact)
    if kind == "power":
        return _power(node)
    if node[1] == "root" and node[2][1] == ("number", Fraction(2)):
        return _root(node[2][0], node)
    return _named(node)


def _constant(number: Fraction) -> AlgebraicValue:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MOST_BITS:
        raise Unsupported
    return AlgebraicValue({_ONE: number} if number else {}, _UNIT)


def _named(name: str | Node, exponent: Fraction = Fraction(1)) -> AlgebraicValue:
    return AlgebraicValue({(False, 1, ((name, exponent),)): Fraction(1)}, _UNIT)


def _power(node: Node) -> AlgebraicValue:
    exponent = rational(node[2])
    if exponent is None:
        return _named(node)
    if exponent.denominator == 1:
        return _raise(_value(node[1]), int(exponent))
    if exponent.denominator == 2:
        root = _root(node[1], ("power", node[1], ("number", Fraction(1, 2))))
        return _raise(root, exponent.numerator)
    return _named(node)


def _add(a: AlgebraicValue, b: AlgebraicValue) -> AlgebraicValue:
    if a.below == b.below:
        return AlgebraicValue(_plus(a.above, b.above), a.below)
    above = _plus(_times(a.above, b.below), _times(b.above, a.below))
    return AlgebraicValue(above, _times(a.below, b.below))


def _multiply(a: AlgebraicValue, b: AlgebraicValue) -> AlgebraicValue:
    return AlgebraicValue(_times(a.above, b.above), _times(a.below, b.below))


def _plus(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    if b is _UNIT or a is _UNIT:
        return a if b is _UNIT else b
    if len(a) * len(b) > MOST_TERMS**2:
        raise Unsupported
    total: Polynomial = {}
    for (i1, n1, powers1), c1 in a.items():
        for (i2, n2, powers2), c2 in b.items():
            common = math.gcd(n1, n2)
            sign = -1 if i1 and i2 else 1
            root = n1 // common * (n2 // common)
            monomial = (i1 != i2, root, _joined(powers1, powers2))
            total[monomial] = total.get(monomial, Fraction(0)) + sign * common * c1 * c2
    if len(total) > MOST_TERMS:
        raise Unsupported
    for c in total.values():
        if max(c.numerator.bit_length(), c.denominator.bit_length()) > MOST_BITS:
            raise Unsupported
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def _joined(a: Powers, b: Powers) -> Powers:
    if not a or not b:
        return a or b
    exponents = dict(a)
    for name, exponent in b:
        exponents[name] = exponents.get(name, Fraction(0)) + exponent
    return tuple(sorted((item for item in exponents.items() if item[1]), key=repr))


def _raise(base: AlgebraicValue, exponent: int) -> AlgebraicValue:
    if exponent < 0:
        if not base.above:
            raise UndefinedError
        base, exponent = AlgebraicValue(base.below, base.above), -exponent
    terms = max(len(base.above), len(base.below))
    if exponent > (LARGEST_POWER if terms > 1 else 1000):
        raise Unsupported
    result = AlgebraicValue(_UNIT, _UNIT)
    while exponent:  # by squaring
        if exponent & 1:
            result = _multiply(result, base)
        exponent >>= 1
        base = _multiply(base, base) if exponent else base
    return result


def _root(inside: Node, node: Node) -> AlgebraicValue:
    """Return a square root: of one term it is a term, if its letters have odd powers.

    Such letters are positive (`selfcorrect_env.verifiers.math.numeric`); any other root is opaque.
    """
    radicand = _value(inside)
    if not radicand.above:
        return radicand
    if len(radicand.above) > 1 or len(radicand.below) > 1:
        return _named(node)
    (above, c1), *_ = radicand.above.items()
    (below, c2), *_ = radicand.below.items()
    powers = _joined(above[2], tuple((name, -exponent) for name, exponent in below[2]))
    plain = not (above[0] or below[0]) and above[1] == below[1] == 1
    odd = all(isinstance(name, str) and exponent.numerator % 2 for name, exponent in powers)
    number = c1 / c2
    if not (plain and odd) or (powers and number < 0):
        return _named(node)
    parts = _squarefree(abs(number.numerator) * number.denominator)
    if parts is None:
        return _named(node)
    outside, square = parts
    halves = tuple((name, exponent / 2) for name, exponent in powers)
    return AlgebraicValue(
        {(number < 0, square, halves): Fraction(outside, number.denominator)}, _UNIT
    )


def _squarefree(number: int) -> tuple[int, int] | None:
    """Return (a, b) with number = a²·b and b squarefree; None if the number is too large."""
    if number > LARGEST_RADICAND:
        whole = math.isqrt(number)
        return (whole, 1) if whole * whole == number else None
    outside, inside, factor = 1, 1, 2
    while factor * factor <= number:
        power = 0
        while number % factor == 0:
            number //= factor
            power += 1
        outside *= factor ** (power // 2)
        inside *= factor ** (power % 2)
        factor += 1
    return outside, inside * number
