r"""Small, fast, exact algebra: do two LaTeX expressions have the same value?

`value` reads sums, products, quotients, powers and square roots of rational numbers, ``\pi``, ``i``
and letters, as a quotient of two polynomials in a canonical form. Every term is a rational number
times the root of a squarefree integer times powers of letters. Terms of different kinds are
linearly independent over the rationals (``\pi`` is transcendental, letters are indeterminates), so
the result of `same` is a proof in both cases. Other expressions are not supported; symbolic
mathematics compares them.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TypeAlias

Monomial: TypeAlias = "tuple[bool, int, tuple[tuple[str, Fraction], ...]]"
"""Whether ``i`` is a factor; n of the factor √n, squarefree; letters with their exponents."""
Polynomial: TypeAlias = "dict[Monomial, Fraction]"
"""Terms with coefficients that are not 0."""
Value: TypeAlias = "tuple[Polynomial, Polynomial]"
"""Numerator and denominator."""

LONGEST = 300
"""Maximum length of an expression in characters."""
MOST_TERMS = 100
"""Maximum number of terms of a polynomial."""
LARGEST_POWER = 12
"""Maximum exponent of a sum; that of a single term is 64."""
LARGEST_RADICAND = 10**10

_TOKEN = re.compile(
    r"(?P<number>\d+\.?\d*|\.\d+)|(?P<command>\\[A-Za-z]+)|"
    r"(?P<letter>[A-Za-z])|(?P<sign>[-+*/^_(){}\[\]])"
)
_GREEK = frozenset(
    [
        "\\pi",
        "\\alpha",
        "\\beta",
        "\\gamma",
        "\\theta",
        "\\phi",
        "\\varphi",
        "\\lambda",
        "\\mu",
        "\\infty",
    ]
)
_TIMES = {"*", r"\cdot", r"\times"}
_CLOSING = {"(": ")", "{": "}", "[": "]"}
_ONE: Monomial = (False, 1, ())
_UNIT: Polynomial = {_ONE: Fraction(1)}


class Unsupported(Exception):  # noqa: N818  not an error: the caller falls back to another comparison
    """The text has an expression that this module does not support."""


def value(text: str) -> Value | None:
    r"""Return the value of a normal form (`selfcorrect_env.verifiers.math.normal_form`), else None.

    >>> value(r"\frac{1}{\sqrt{2}}") is not None
    True
    >>> value(r"\sin{x}") is None
    True
    """
    if len(text) > LONGEST:
        return None
    try:
        return _Parser(text).whole()
    except (Unsupported, ZeroDivisionError, RecursionError):
        return None


def same(a: Value, b: Value) -> bool:
    """Return whether two values are equal: cross multiplied, they have the same terms."""
    return _times(a[0], b[1]) == _times(b[0], a[1])


def approximate(given: Value) -> float | None:
    """Return a value as a float, or None if it has letters or ``i``, or is too large."""
    try:
        above, below = (sum(map(_as_float, side.items())) for side in given)
        return above / below
    except (Unsupported, OverflowError, ZeroDivisionError):
        return None


def _as_float(term: tuple[Monomial, Fraction]) -> float:
    (imaginary, root, letters), coefficient = term
    if imaginary or any(name != r"\pi" for name, _ in letters):
        raise Unsupported
    power = sum((exponent for _, exponent in letters), Fraction(0))
    return float(coefficient) * math.sqrt(root) * math.pi ** float(power)


def zeroed(equation: str) -> Value | None:
    """Return the left side minus the right side of an equation, or None if unsupported."""
    left, equals, right = equation.partition("=")
    sides = value(left), value(right)
    if not equals or sides[0] is None or sides[1] is None:
        return None
    negative = {monomial: -coefficient for monomial, coefficient in sides[1][0].items()}
    return _add(sides[0], (negative, sides[1][1]))


def proportional(a: Value, b: Value) -> bool:
    """Return whether one value is the other times a rational number other than 0."""
    left, right = _times(a[0], b[1]), _times(b[0], a[1])
    if set(left) != set(right) or not left:
        return left == right
    return len({left[monomial] / right[monomial] for monomial in left}) == 1


class _Parser:
    """A recursive descent parser over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        end = 0
        for found in _TOKEN.finditer(text):
            if found.start() != end:
                raise Unsupported(text)
            end = found.end()
            self.tokens.append(found.group())
        if end != len(text) or not self.tokens or re.search(r"[A-Za-z]{3}", _bare(text)):
            raise Unsupported(text)
        self.at = 0

    def whole(self) -> Value:
        result = self.sum()
        if self.at != len(self.tokens):
            raise Unsupported
        return result

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise Unsupported
        self.at += 1
        return token

    def sum(self) -> Value:
        total: Value | None = None
        while total is None or self.next in ("+", "-"):
            sign = 1
            while self.next in ("+", "-"):
                sign *= -1 if self.take() == "-" else 1
            term = self.product()
            signed = ({m: sign * c for m, c in term[0].items()}, term[1])
            total = signed if total is None else _add(total, signed)
        return total

    def product(self) -> Value:
        result = self.power()
        divided = False
        while True:
            if self.next in _TIMES:
                self.take()
                result = _multiply(result, self.signed_power())
            elif self.next == "/":
                self.take()
                below = self.power()
                if not below[0]:
                    raise Unsupported
                result, divided = _multiply(result, (below[1], below[0])), True
            elif self.next and self.next not in "+-)}]^_":
                if divided:  # is 1/2x half of x, or one over 2x?
                    raise Unsupported
                previous, start = self.tokens[self.at - 1], self.next
                numeric = start[0].isdigit() or start[0] == "."
                if numeric or (previous[0].isdigit() and start == r"\frac"):
                    raise Unsupported  # 2 3, x2; and 2\frac{1}{3}, which may be a mixed number
                result = _multiply(result, self.power())
            else:
                return result

    def signed_power(self) -> Value:
        if self.next == "-":
            self.take()
            numerator, denominator = self.power()
            return {m: -c for m, c in numerator.items()}, denominator
        return self.power()

    def power(self) -> Value:
        base = self.base()
        if self.next != "^":
            return base
        self.take()
        exponent = _rational(self.group() if self.next in ("{", "(") else self.single())
        if exponent.denominator == 2:
            base, exponent = _root(base), exponent * 2
        if exponent.denominator != 1:
            raise Unsupported
        return _raise(base, int(exponent))

    def single(self) -> Value:
        """Read an exponent without braces: one digit or one letter."""
        token = self.next
        if token[:1].isdigit() and len(token) > 1:
            self.tokens[self.at] = token[1:]
            return _constant(Fraction(int(token[0])))
        if self.next == "-":
            raise Unsupported
        return self.base()

    def base(self) -> Value:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return _constant(Fraction(token + "0" if token.endswith(".") else token))
        if token in _CLOSING:
            self.at -= 1
            return self.group()
        if token == r"\frac":
            above, below = self.group(), self.group()
            if not below[0]:
                raise Unsupported
            return _multiply(above, (below[1], below[0]))
        if token == r"\sqrt":
            if self.next == "[":
                raise Unsupported
            return _root(self.group())
        if token == "i":
            return {(True, 1, ()): Fraction(1)}, _UNIT
        if token in _GREEK or (len(token) == 1 and token.isalpha()):
            return {(False, 1, ((self.subscripted(token), Fraction(1)),)): Fraction(1)}, _UNIT
        raise Unsupported

    def subscripted(self, name: str) -> str:
        if self.next != "_":
            return name
        self.take()
        if self.next == "{":
            self.take()
            index = self.take()
            self.take("}")
        else:
            index = self.take()
        if not index.isalnum():
            raise Unsupported
        return f"{name}_{index}"

    def group(self) -> Value:
        opening = self.take()
        if opening not in _CLOSING:
            raise Unsupported
        if opening == "{" and self.next == "}":  # empty: it only ends the name of a command
            self.take()
            return _constant(Fraction(1))
        inside = self.sum()
        self.take(_CLOSING[opening])
        return inside


def _bare(text: str) -> str:
    """Return the text without commands: three letters in a row may be a word."""
    return re.sub(r"\\[A-Za-z]+", "\\\\", text)


def _constant(number: Fraction) -> Value:
    return ({_ONE: number} if number else {}), _UNIT


def _rational(given: Value) -> Fraction:
    """Return a rational value as a Fraction; raise Unsupported for other values."""
    numerator, denominator = given
    if set(numerator) <= {_ONE} and set(denominator) == {_ONE}:
        return numerator.get(_ONE, Fraction(0)) / denominator[_ONE]
    raise Unsupported


def _add(a: Value, b: Value) -> Value:
    if a[1] == b[1]:
        return _plus(a[0], b[0]), a[1]
    return _plus(_times(a[0], b[1]), _times(b[0], a[1])), _times(a[1], b[1])


def _multiply(a: Value, b: Value) -> Value:
    return _times(a[0], b[0]), _times(a[1], b[1])


def _plus(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, coefficient in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > MOST_TERMS**2:
        raise Unsupported
    total: Polynomial = {}
    for (i1, n1, letters1), c1 in a.items():
        for (i2, n2, letters2), c2 in b.items():
            common = math.gcd(n1, n2)
            sign = -1 if i1 and i2 else 1
            root = n1 // common * (n2 // common)
            monomial = (i1 != i2, root, _joined(letters1, letters2))
            total[monomial] = total.get(monomial, Fraction(0)) + sign * common * c1 * c2
    if len(total) > MOST_TERMS:
        raise Unsupported
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def _joined(
    a: tuple[tuple[str, Fraction], ...], b: tuple[tuple[str, Fraction], ...]
) -> tuple[tuple[str, Fraction], ...]:
    exponents = dict(a)
    for name, exponent in b:
        exponents[name] = exponents.get(name, Fraction(0)) + exponent
    return tuple(sorted((name, exponent) for name, exponent in exponents.items() if exponent))


def _raise(base: Value, exponent: int) -> Value:
    if exponent < 0:
        if not base[0]:
            raise Unsupported
        base, exponent = (base[1], base[0]), -exponent
    terms = max(len(base[0]), len(base[1]))
    if exponent > (LARGEST_POWER if terms > 1 else 64):
        raise Unsupported
    result: Value = (_UNIT, _UNIT)
    for _ in range(exponent):
        result = _multiply(result, base)
        if any(max(abs(c.numerator), c.denominator) > 10**80 for c in result[0].values()):
            raise Unsupported
    return result


def _root(given: Value) -> Value:
    """Return the square root of a rational number, or of one times letters to the power 1."""
    numerator, denominator = given
    if set(denominator) != {_ONE} or len(numerator) > 1:
        raise Unsupported
    if not numerator:
        return given
    ((imaginary, root, letters), coefficient), *_ = numerator.items()
    number = coefficient / denominator[_ONE]
    odd = all(exponent == 1 and name != r"\pi" for name, exponent in letters)
    if imaginary or root != 1 or not odd or (letters and number < 0):
        raise Unsupported
    outside, inside = _squarefree(abs(number.numerator) * number.denominator)
    halves = tuple((name, exponent / 2) for name, exponent in letters)
    return {(number < 0, inside, halves): Fraction(outside, number.denominator)}, _UNIT


def _squarefree(number: int) -> tuple[int, int]:
    """Return (a, b) with number = a²·b and b squarefree."""
    if number > LARGEST_RADICAND:
        whole = math.isqrt(number)
        if whole * whole == number:
            return whole, 1
        raise Unsupported
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
