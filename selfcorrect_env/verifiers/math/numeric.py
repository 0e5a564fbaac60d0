r"""Equality of expressions that the exact algebra leaves open: a test in high precision.

Both sides are evaluated at several random points. Their difference counts as zero only if it
vanishes to 70 % of the working precision, and that precision grows with the sizes of all numbers
that occur, in digits and in magnitude: so neither side can hide a difference by making it small.
Only worker processes import this module.

`selfcorrect_env.verifiers.math.letters` says what the letters stand for. Points at which all roots
and logarithms are real are preferred. A function without a known value, such as ``f``, is an
arbitrary smooth function. Infinite sums, limits and antiderivatives are not computed: each is an
arbitrary linear function of its summand or body, so those of equal bodies, with the same bounds,
are equal, and so is what follows from linearity alone. ``\log`` without a base
has base 10 or e, the same on both sides.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

from selfcorrect_env.verifiers.math.letters import free_letters, kinds, literal
from selfcorrect_env.verifiers.math.points import Draws
from selfcorrect_env.verifiers.math.trees import (
    INFINITY,
    KNOWN,
    Node,
    children,
    functions,
    negative,
)

POINTS = 8
"""Number of points at which two expressions with letters have to agree: all signs of three."""
MORE_POINTS = 32
"""The same with functions by cases, such as the integer part, and with roots of even degree."""
TRIES = 80
_LARGEST_SIZE = 4000
"""Bits of the largest value at a point; points with larger ones are left out where others are."""
MOST_PRECISION = 60_000
"""Bits; expressions that need more are left undecided."""

_MINUS_INFINITY = negative(INFINITY)

Environment = dict[str, Any]


class Undecided(Exception):  # noqa: N818  no error
    """The expression has no value at this point, or none that this module can find."""


def equal(a: Node, b: Node) -> bool | None:
    """Return whether two expressions are equal; None if that cannot be found out."""
    if "log" in functions(a) | functions(b):
        verdicts = [_equal(a, b, base) for base in (10, None)]
        return True if True in verdicts else verdicts[0]
    return _equal(a, b, None)


def number(node: Node) -> Fraction | None:
    """Return a real constant to 60 digits; None if it is none, or has no value."""
    if free_letters(node):
        return None
    try:
        value = _Evaluation({}, None, 300).run(node)
    except Undecided:
        return None
    if isinstance(value, mp.mpc):
        return None
    sign, mantissa, exponent, _ = value._mpf_
    return (-1 if sign else 1) * mantissa * Fraction(2) ** exponent


def constant_ratio(a: Node, b: Node) -> bool | None:
    """Return whether ``a`` is a constant times ``b``, and neither is 0."""
    points = _points(a, b)
    if points is None:
        return None
    first, *rest = points
    try:
        if _is_zero(b, ("number", Fraction(0)), first, None):
            return None
        ratio = ("product", (_at(a, first), ("power", _at(b, first), ("number", Fraction(-1)))))
        scaled = ("product", (ratio, b))
        return all(_is_zero(a, scaled, point, None) for point in rest)
    except Undecided:
        return None


def _equal(a: Node, b: Node, base: int | None) -> bool | None:
    try:
        if not free_letters(a) | free_letters(b):
            return _is_zero(a, b, {}, base)
    except Undecided:
        return None
    points = _points(a, b)
    if points is None:
        return None
    try:
        return all(_is_zero(a, b, point, base) for point in points)
    except Undecided:
        return None


def _points(a: Node, b: Node) -> list[Environment] | None:
    """Return points at which both expressions have values; preferably real ones."""
    known = kinds(a) | kinds(b)
    letters = sorted(free_letters(a) | free_letters(b))
    rng = random.Random(zlib.crc32(repr((a, b)).encode()))
    natural: list[Environment] = []
    others: list[Environment] = []
    draws = Draws((a, b), known, letters, rng)
    wanted = MORE_POINTS if draws.cases else POINTS
    if any(kind == "integer" for _, kind in known):
        wanted = max(wanted, 2 * POINTS)
    for attempt in range(TRIES):
        point = draws.point(attempt)
        try:
            evaluations = [_Evaluation(point, None, 80) for _ in range(2)]
            for evaluation, node in zip(evaluations, (a, b), strict=True):
                evaluation.run(node)
        except Undecided:
            continue
        if draws.cases and max(it.size for it in evaluations) > _LARGEST_SIZE:
            continue
        real = all(evaluation.natural for evaluation in evaluations)
        (natural if real else others).append(point)
        if len(natural) >= wanted:
            return natural
    found = [*natural, *others][:wanted] if len(natural) < 3 else natural
    return found if len(found) >= 3 else None


def _at(node: Node, point: Environment) -> Node:
    if node[0] == "name" and node[1] in point:
        return ("number", point[node[1]])
    if node[0] in ("number", "name"):
        return node
    below = tuple(_at(child, point) for child in children(node))
    if node[0] == "power":
        return ("power", *below)
    return ("call", node[1], below) if node[0] == "call" else (node[0], below)


def _is_zero(a: Node, b: Node, point: Environment, base: int | None) -> bool:
    """Return whether ``a - b`` vanishes at a point, to 70 % of a sufficient precision."""
    low = _Evaluation(point, base, 100)
    low.run(a)
    low.run(b)
    bits = sum(_literal_bits(node) for node in (a, b)) + low.size
    slow = "integral" in functions(a) | functions(b)
    precision = 120 + 2 * bits if slow else 400 + 4 * bits
    if precision > MOST_PRECISION:
        raise Undecided
    high = _Evaluation(point, base, precision)
    with mp.workprec(precision):
        left = high.run(a)
        right = high.run(b)
        return bool(abs(left - right) <= mpmath.ldexp(1, -(7 * precision) // 10))


def _literal_bits(node: Node) -> int:
    if node[0] == "number":
        return node[1].numerator.bit_length() + node[1].denominator.bit_length()
    return sum(map(_literal_bits, children(node)))


class _Evaluation:
    """One evaluation at a point, with a working precision in bits."""

    def __init__(self, point: Environment, base: int | None, precision: int) -> None:
        self.point = dict(point)
        self.base = base
        self.precision = precision
        self.natural = True
        """Whether all roots and logarithms are real."""
        self.size = 0
        """The largest magnitude of a value, in bits: that of 2**-100 is 100."""

    def run(self, node: Node) -> Any:
        """Return the value; raise Undecided if there is none."""
        with mp.workprec(self.precision):
            try:
                return self.value(node)
            except (ZeroDivisionError, ValueError, OverflowError, TypeError, mp.NoConvergence):
                raise Undecided from None

    def value(self, node: Node) -> Any:
        """Return the value of a tree, and note its magnitude."""
        result = self.finite(self.raw(node))
        if result:
            self.size = max(self.size, abs(int(mpmath.mag(result))))
            if self.size > MOST_PRECISION:
                raise Undecided
        return result

    def finite(self, result: Any) -> Any:
        """Return a number, real if it can be; raise Undecided for infinity and nan."""
        if isinstance(result, mp.mpc) and result.imag == 0:
            result = result.real
        if not mpmath.isfinite(result):
            raise Undecided
        return result

    def raw(self, node: Node) -> Any:
        kind = node[0]
        if kind == "number":
            return _real(node[1])
        if kind == "name":
            return self.named(node[1])
        if kind == "sum":
            return mpmath.fsum([self.value(term) for term in node[1]])
        if kind == "product":
            result = mp.one
            for factor in node[1]:
                result = result * self.value(factor)
            return result
        if kind == "power":
            return self.power(node[1], node[2])
        return self.call(node[1], node[2])

    def named(self, name: str) -> Any:
        if name in self.point:
            value = self.point[name]
            return _real(value) if isinstance(value, Fraction) else value
        if name == r"\pi":
            return +mp.pi
        if name == "e":
            return +mp.e
        if name == "i":
            return mp.mpc(0, 1)
        raise Undecided

    def power(self, base: Node, exponent: Node) -> Any:
        below, above = self.value(base), self.value(exponent)
        fixed = literal(exponent)
        if below == 0 and mpmath.re(above) <= 0:
            raise Undecided
        if below and abs(above) * max(1, abs(mpmath.mag(below))) > 4 * MOST_PRECISION:
            raise Undecided  # too large or too small
        if fixed is None or fixed.denominator == 1:
            if isinstance(below, mp.mpc) or below >= 0 or mpmath.isint(above):
                return below**above
            self.natural = False
            return mp.mpc(below) ** above
        return self.root(below, fixed.denominator) ** fixed.numerator

    def root(self, inside: Any, degree: int) -> Any:
        """Return the real root, if there is one; otherwise the principal one."""
        if isinstance(inside, mp.mpc):
            return mpmath.root(inside, degree)
        if inside < 0 and degree % 2:
            return -mpmath.root(-inside, degree)
        self.natural = self.natural and inside >= 0
        return mpmath.root(inside, degree)

    def call(self, name: str, arguments: tuple[Node, ...]) -> Any:
        if name == "root":
            degree = literal(arguments[1])
            if degree is None or degree.denominator != 1 or not 1 <= degree <= 1000:
                return self.power(arguments[0], ("power", arguments[1], ("number", Fraction(-1))))
            return self.root(self.value(arguments[0]), int(degree))
        if name in ("sum", "prod"):
            return self.series(name, *arguments)
        if name == "integral":
            return self.integral(*arguments)
        if name in ("lim", "antiderivative"):
            return self.limit(*arguments) if name == "lim" else self.antiderivative(*arguments)
        if name == "numeral":
            raise Undecided
        values = [self.value(argument) for argument in arguments]
        if name in ("floor", "ceil") and free_letters(arguments[0]):
            return _arbitrary_floor(values[0], 1 if name == "floor" else -1)
        if name in ("ln", "log"):
            return self.logarithm(name, values[0])
        if name in _FUNCTIONS and len(values) == _FUNCTIONS[name][0]:
            return _FUNCTIONS[name][1](*values)
        if name in KNOWN:
            raise Undecided
        return _arbitrary(name, values)

    def logarithm(self, name: str, inside: Any) -> Any:
        if inside == 0:
            raise Undecided
        self.natural = self.natural and not isinstance(inside, mp.mpc) and inside > 0
        result = mpmath.log(inside)
        return result / mpmath.log(self.base) if name == "log" and self.base else result

    def series(self, kind: str, name: Node, low: Node, high: Node, body: Node) -> Any:
        if {low, high} & {INFINITY, _MINUS_INFINITY}:
            return self.infinite_series(kind, name[1], low, high, body)
        first, last = self.value(low), self.value(high)
        if not (mpmath.isint(first) and mpmath.isint(last)) or last - first > 2000:
            raise Undecided
        total = mp.zero if kind == "sum" else mp.one
        outer = self.point.get(name[1])
        for k in range(int(first), int(last) + 1):
            self.point[name[1]] = Fraction(k)
            term = self.value(body)
            total = total + term if kind == "sum" else total * term
        self._restore(name[1], outer)
        return total

    def integral(self, name: Node, low: Node, high: Node, body: Node) -> Any:
        infinite = {INFINITY: mp.inf, _MINUS_INFINITY: -mp.inf}
        ends = [infinite[end] if end in infinite else self.value(end) for end in (low, high)]
        if not functions(body) <= KNOWN:
            raise Undecided
        outer = self.point.get(name[1])

        def integrand(x: Any) -> Any:
            self.point[name[1]] = x
            return self.raw(body)

        result, error = mpmath.quad(integrand, ends, error=True)
        self._restore(name[1], outer)
        if error > mpmath.ldexp(1, -(8 * self.precision) // 10):
            raise Undecided
        return result

    def infinite_series(self, kind: str, name: str, low: Node, high: Node, body: Node) -> Any:
        """Return an arbitrary function of the terms; that of a sum is linear."""
        if low == _MINUS_INFINITY and high == INFINITY:
            indices: list[Any] = [*range(-6, 7), 9, -11]
        elif high == INFINITY:
            start = self.value(low)
            indices = [start + k for k in (*range(7), 9, 12, 16)]
        else:
            raise Undecided
        terms = self.values_at(name, indices, body)
        return _arbitrary(kind, terms) if kind == "prod" else _linear("sum", terms)

    def limit(self, name: Node, goal: Node, side: Node, body: Node) -> Any:
        """Return an arbitrary linear function of values, which has the value c for a constant c."""
        steps = [Fraction(k, 7) for k in (5, 9, 15, 20, 34)]
        if goal in (INFINITY, _MINUS_INFINITY):
            key, points = "infinity", [-k if goal == _MINUS_INFINITY else k for k in steps]
        else:
            signs = (1, -1) if side == ("number", Fraction(0)) else (side[1],)
            end = self.value(goal)
            key = f"limit {sum(signs)}"
            points = [end + sign * _real(k) for sign in signs for k in steps]
        values = self.values_at(name[1], points, body)
        return _linear(key, values) / _linear(key, [mp.one] * len(values))

    def antiderivative(self, name: Node, body: Node) -> Any:
        """Return an arbitrary linear function of the integrand, at x times fixed numbers."""
        at = self.named(name[1])
        values = self.values_at(name[1], [at * _real(Fraction(k, 9)) for k in (2, 4, 7, 9)], body)
        return at * _linear("antiderivative", values)

    def values_at(self, name: str, points: list[Any], body: Node) -> list[Any]:
        """Return the values of an expression at several values of a bound letter."""
        outer = self.point.get(name)
        values = []
        for point in points:
            self.point[name] = point
            values.append(self.value(body))
        self._restore(name, outer)
        return values

    def _restore(self, name: str, value: Any) -> None:
        if value is None:
            self.point.pop(name, None)
        else:
            self.point[name] = value


def _real(value: Fraction) -> Any:
    return mp.mpf(value.numerator) / value.denominator


def _whole(value: Any) -> int:
    if not mpmath.isint(value) or abs(value) > 10**6:
        raise Undecided
    return int(value)


def _arbitrary(name: str, values: list[Any]) -> Any:
    """Return the value of an arbitrary smooth function that belongs to a name."""
    rng = random.Random(zlib.crc32(f"{name} of {len(values)}".encode()))
    total, mixed = mp.mpf(rng.randint(1, 9)), mp.one
    for value in values:
        a, b, c = (mp.mpf(rng.randint(100, 999)) / 500 for _ in range(3))
        total = total + c * mpmath.sin(a * value + b)
        mixed = mixed * (value + a) / (1 + mpmath.fabs(value))
    return total + mixed


def _linear(name: str, values: list[Any]) -> Any:
    """Return the value of an arbitrary linear function that belongs to a name."""
    rng = random.Random(zlib.crc32(f"{name} of {len(values)}".encode()))
    return mpmath.fsum([mp.mpf(rng.randint(100, 999)) / 500 * value for value in values])


def _arbitrary_floor(value: Any, sign: int) -> Any:
    """Return ``value`` less an arbitrary smooth function of period 1; for -1, the ceiling.

    Points cannot tell the integer parts of x and x + 0.001 apart. What holds for all functions
    of period 1 holds for the fractional part.
    """
    turn = 2 * mp.pi * sign * value
    periodic = mpmath.sin(turn + 1) / 3 + mpmath.cos(2 * turn + 2) / 5 + mpmath.sin(3 * turn) / 7
    return sign * (sign * value - periodic)


def _floor(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def rounded(value: Any) -> Any:
        nearest = mpmath.nint(mpmath.re(value))
        if isinstance(value, mp.mpc):
            raise Undecided
        if value != nearest and abs(value - nearest) < mpmath.ldexp(1, -mp.prec // 2):
            raise Undecided  # an integer but for rounding
        return function(value)

    return rounded


_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    **{
        name: (1, getattr(mpmath, name))
        for name in ["sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth"]
    },
    "arcsin": (1, mpmath.asin),
    "arccos": (1, mpmath.acos),
    "arctan": (1, mpmath.atan),
    "arccot": (1, mpmath.acot),
    "arcsec": (1, mpmath.asec),
    "arccsc": (1, mpmath.acsc),
    "abs": (1, mpmath.fabs),
    "floor": (1, _floor(mpmath.floor)),
    "ceil": (1, _floor(mpmath.ceil)),
    "factorial": (1, lambda n: mpmath.gamma(n + 1)),
    "binomial": (2, mpmath.binomial),
    "gcd": (2, lambda a, b: mp.mpf(math.gcd(_whole(a), _whole(b)))),
    "lcm": (2, lambda a, b: mp.mpf(math.lcm(_whole(a), _whole(b)))),
    "max": (2, max),
    "min": (2, min),
}
