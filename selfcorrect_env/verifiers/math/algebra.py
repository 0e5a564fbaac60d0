r"""Exact algebra, small and fast: does LaTeX as it stands in answers say the same value?

`value` reads sums, products, quotients, powers and square roots of rational numbers, ``\pi``, ``i``
and letters, as a quotient of two polynomials in a canonical form. Every term is a rational number
times the root of a squarefree integer times powers of letters. Terms of different kinds are
linearly independent over the rationals (``\pi`` is transcendental, letters stand for anything), so
`same` is a proof either way. Whatever else an answer holds is not read, and left to symbolic
mathematics.
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
"""Characters that are read."""
MOST_TERMS = 100
"""Terms of a polynomial."""
LARGEST_POWER = 12
"""Exponent of a sum; numbers take exponents up to 64."""
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


class NotRead(Exception):  # noqa: N818  it is no error: another way of comparing takes over
    """The text holds something that this module does not read."""


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
        return _Reader(text).whole()
    except (NotRead, ZeroDivisionError, RecursionError):
        return None


def same(a: Value, b: Value) -> bool:
    """Whether two values are the same: cross multiplied, they have the same terms."""
    return _times(a[0], b[1]) == _times(b[0], a[1])


def approximate(given: Value) -> float | None:
    """Return a value as a float, or None where it holds letters or ``i``, or is too large."""
    try:
        above, below = (sum(map(_as_float, side.items())) for side in given)
        return above / below
    except (NotRead, OverflowError, ZeroDivisionError):
        return None


def _as_float(term: tuple[Monomial, Fraction]) -> float:
    (imaginary, root, letters), coefficient = term
    if imaginary or any(name != r"\pi" for name, _ in letters):
        raise NotRead
    power = sum((exponent for _, exponent in letters), Fraction(0))
    return float(coefficient) * math.sqrt(root) * math.pi ** float(power)


def zeroed(equation: str) -> Value | None:
    """Return the left side minus the right side of an equation, or None if it is not read."""
    left, equals, right = equation.partition("=")
    sides = value(left), value(right)
    if not equals or sides[0] is None or sides[1] is None:
        return None
    negative = {monomial: -coefficient for monomial, coefficient in sides[1][0].items()}
    return _add(sides[0], (negative, sides[1][1]))


def proportional(a: Value, b: Value) -> bool:
    """Whether one value is the other times a rational number other than 0."""
    left, right = _times(a[0], b[1]), _times(b[0], a[1])
    if set(left) != set(right) or not left:
        return left == right
    return len({left[monomial] / right[monomial] for monomial in left}) == 1


class _Reader:
    """A recursive descent over the tokens of an expression."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        place = 0
        for found in _TOKEN.finditer(text):
            if found.start() != place:
                raise NotRead(text)
            place = found.end()
            self.tokens.append(found.group())
        if place != len(text) or not self.tokens or re.search(r"[A-Za-z]{3}", _bare(text)):
            raise NotRead(text)
        self.at = 0

    def whole(self) -> Value:
        result = self.sum()
        if self.at != len(self.tokens):
            raise NotRead
        return result

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise NotRead
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
                    raise NotRead
                result, divided = _multiply(result, (below[1], below[0])), True
            elif self.next and self.next not in "+-)}]^_":
                if divided:  # is 1/2x half of x, or one over 2x?
                    raise NotRead
                previous, start = self.tokens[self.at - 1], self.next
                numeric = start[0].isdigit() or start[0] == "."
                if numeric or (previous[0].isdigit() and start == r"\frac"):
                    raise NotRead  # 2 3, x2; and 2\frac{1}{3}, which may be a mixed number
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
            raise NotRead
        return _raise(base, int(exponent))

    def single(self) -> Value:
        """Read what an exponent without braces is: one digit or one letter."""
        token = self.next
        if token[:1].isdigit() and len(token) > 1:
            self.tokens[self.at] = token[1:]
            return _constant(Fraction(int(token[0])))
        if self.next == "-":
            raise NotRead
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
                raise NotRead
            return _multiply(above, (below[1], below[0]))
        if token == r"\sqrt":
            if self.next == "[":
                raise NotRead
            return _root(self.group())
        if token == "i":
            return {(True, 1, ()): Fraction(1)}, _UNIT
        if token in _GREEK or (len(token) == 1 and token.isalpha()):
            return {(False, 1, ((self.subscripted(token), Fraction(1)),)): Fraction(1)}, _UNIT
        raise NotRead

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
            raise NotRead
        return f"{name}_{index}"

    def group(self) -> Value:
        opening = self.take()
        if opening not in _CLOSING:
            raise NotRead
        if opening == "{" and self.next == "}":  # nothing: it ends the name of a command
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
    """Return a value that is a rational number; else it is not read."""
    numerator, denominator = given
    if set(numerator) <= {_ONE} and set(denominator) == {_ONE}:
        return numerator.get(_ONE, Fraction(0)) / denominator[_ONE]
    raise NotRead


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
        raise NotRead
    total: Polynomial = {}
    for (i1, n1, letters1), c1 in a.items():
        for (i2, n2, letters2), c2 in b.items():
            common = math.gcd(n1, n2)
            sign = -1 if i1 and i2 else 1
            root = n1 // common * (n2 // common)
            monomial = (i1 != i2, root, _joined(letters1, letters2))
            total[monomial] = total.get(monomial, Fraction(0)) + sign * common * c1 * c2
    if len(total) > MOST_TERMS:
        raise NotRead
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
            raise NotRead
        base, exponent = (base[1], base[0]), -exponent
    terms = max(len(base[0]), len(base[1]))
    if exponent > (LARGEST_POWER if terms > 1 else 64):
        raise NotRead
    result: Value = (_UNIT, _UNIT)
    for _ in range(exponent):
        result = _multiply(result, base)
        if any(max(abs(c.numerator), c.denominator) > 10**80 for c in result[0].values()):
            raise NotRead
    return result


def _root(given: Value) -> Value:
    """Return the square root of a rational number, or of one times letters to the power 1."""
    numerator, denominator = given
    if set(denominator) != {_ONE} or len(numerator) > 1:
        raise NotRead
    if not numerator:
        return given
    ((imaginary, root, letters), coefficient), *_ = numerator.items()
    number = coefficient / denominator[_ONE]
    odd = all(exponent == 1 and name != r"\pi" for name, exponent in letters)
    if imaginary or root != 1 or not odd or (letters and number < 0):
        raise NotRead
    outside, inside = _squarefree(abs(number.numerator) * number.denominator)
    halves = tuple((name, exponent / 2) for name, exponent in letters)
    return {(number < 0, inside, halves): Fraction(outside, number.denominator)}, _UNIT


def _squarefree(number: int) -> tuple[int, int]:
    """Return (a, b) with number = a²·b and b squarefree."""
    if number > LARGEST_RADICAND:
        whole = math.isqrt(number)
        if whole * whole == number:
            return whole, 1
        raise NotRead
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
