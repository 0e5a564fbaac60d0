"""Exact rational values of expressions: factorials, binomials, powers and finite sums included."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from selfcorrect_env.verifiers.math.trees import Node, replaced

MOST_BITS = 2**17
"""Maximum size of a numerator or denominator: about 40,000 digits."""
MOST_TERMS = 2000
"""Maximum number of terms of a finite sum or product."""


class UndefinedError(ValueError):
    """The expression has no value: it divides by zero."""


class _NotRational(Exception):  # noqa: N818  no error: another method has to decide
    pass


def rational(node: Node) -> Fraction | None:
    """Return the value of an expression if it is a rational number of at most `MOST_BITS` bits.

    Raises:
        UndefinedError: a division by zero.
    """
    try:
        return _value(node)
    except _NotRational:
        return None
    except ZeroDivisionError:
        raise UndefinedError from None


def approximate(node: Node) -> float | None:
    """Return a real constant as a float, or None if it is none that this function knows."""
    try:
        return _float(node)
    except (_NotRational, ArithmeticError, TypeError, ValueError):  # a complex number
        return None


def _float(node: Node) -> float:
    kind = node[0]
    if kind == "name" and node[1] in _CONSTANTS:
        return _CONSTANTS[node[1]]
    if kind == "number":
        return float(node[1])
    if kind == "sum":
        return math.fsum(map(_float, node[1]))
    if kind == "product":
        return math.prod(map(_float, node[1]))
    if kind == "power":
        return float(_float(node[1]) ** _float(node[2]))
    if kind == "call" and node[1] == "root":
        return float(_float(node[2][0]) ** (1 / _float(node[2][1])))
    raise _NotRational


_CONSTANTS = {r"\pi": math.pi, "e": math.e}


def _value(node: Node) -> Fraction:
    kind = node[0]
    if kind == "number":
        return node[1]
    if kind == "sum":
        return _checked(sum(map(_value, node[1]), Fraction(0)))
    if kind == "product":
        return _checked(_product(node[1]))
    if kind == "power":
        return _power(_value(node[1]), _value(node[2]))
    if kind == "call" and node[1] in _CALLS:
        return _CALLS[node[1]](*node[2])
    raise _NotRational


def _product(factors: tuple[Node, ...]) -> Fraction:
    above = below = 1
    for factor in factors:
        value = _value(factor)
        above, below = above * value.numerator, below * value.denominator
        if above.bit_length() > MOST_BITS or below.bit_length() > MOST_BITS:
            raise _NotRational
    return Fraction(above, below)


def _checked(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise _NotRational
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return _power(_root(base, Fraction(exponent.denominator)), Fraction(exponent.numerator))
    if base == 0 and exponent == 0:
        raise UndefinedError
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if base not in (0, 1, -1) and size * abs(exponent) > MOST_BITS:
        raise _NotRational
    if base in (1, -1):
        return base if exponent % 2 else Fraction(1)
    return base ** int(exponent)


def _root(base: Fraction, degree: Fraction) -> Fraction:
    """Return the real root of a rational number if it is rational."""
    if degree.denominator != 1 or not 2 <= degree <= 64 or (base < 0 and degree % 2 == 0):
        raise _NotRational
    n = int(degree)
    above, below = _whole_root(abs(base.numerator), n), _whole_root(base.denominator, n)
    return Fraction(above if base >= 0 else -above, below)


def _whole_root(number: int, degree: int) -> int:
    if degree == 2:
        found = math.isqrt(number)
    else:
        found = 1 << -(-number.bit_length() // degree)  # Newton's method from above
        while found > 0:
            step = ((degree - 1) * found + number // found ** (degree - 1)) // degree
            if step >= found:
                break
            found = step
    if found**degree != number:
        raise _NotRational
    return found


def _integer(node: Node, most: int = 10**6) -> int:
    value = _value(node)
    if value.denominator != 1 or abs(value) > most:
        raise _NotRational
    return int(value)


def _factorial(node: Node) -> Fraction:
    number = _integer(node, 10_000)
    if number < 0:
        raise UndefinedError
    return _checked(Fraction(math.factorial(number)))


def _binomial(n: Node, k: Node) -> Fraction:
    above, below = _integer(n, 10_000), _integer(k, 10_000)
    if above < 0 or below < 0:
        raise _NotRational
    return _checked(Fraction(math.comb(above, below)))


def _series(join: Callable[[Fraction, Fraction], Fraction], start: int) -> Callable[..., Fraction]:
    def value(name: Node, low: Node, high: Node, body: Node) -> Fraction:
        first, last = _integer(low), _integer(high)
        if last - first > MOST_TERMS:
            raise _NotRational
        total = Fraction(start)
        for k in range(first, last + 1):
            term = _value(replaced(body, name[1], ("number", Fraction(k))))
            total = _checked(join(total, term))
        return total

    return value


_CALLS: dict[str, Callable[..., Fraction]] = {
    "factorial": _factorial,
    "binomial": _binomial,
    "root": lambda base, degree: _root(_value(base), _value(degree)),
    "abs": lambda node: abs(_value(node)),
    "floor": lambda node: Fraction(math.floor(_value(node))),
    "ceil": lambda node: Fraction(math.ceil(_value(node))),
    "gcd": lambda *nodes: Fraction(math.gcd(*map(_integer, nodes))),
    "lcm": lambda *nodes: Fraction(math.lcm(*map(_integer, nodes))),
    "max": lambda *nodes: max(map(_value, nodes)),
    "min": lambda *nodes: min(map(_value, nodes)),
    "sum": _series(lambda a, b: a + b, 0),
    "prod": _series(lambda a, b: a * b, 1),
}
