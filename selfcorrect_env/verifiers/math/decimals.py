r"""Decimals with so many digits that they can only be an exact value, rounded or cut off.

``0.333`` is not a third; ``0.3333333333``, with ten digits, is what a calculator shows of one.
"""

from __future__ import annotations

import re
from fractions import Fraction

ENOUGH = 10
"""Significant digits from which on a decimal stands for the value that it rounds."""

_DECIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)\.(?P<part>\d+)"
    r"(?:(?:\\times|\\cdot|\*)10\^(?:\{(?P<braced>-?\d{1,3})\}|(?P<digit>\d))"
    r"|[eE](?P<exponent>[+-]?\d{1,3}))?"
)


def decimal(form: str) -> tuple[Fraction, Fraction] | None:
    r"""Return the value of a decimal and that of its last place, else None.

    Powers of ten may follow: ``1.5\times10^{-3}``, ``1.5e-3``.

    >>> decimal("0.25")
    (Fraction(1, 4), Fraction(1, 100))
    """
    found = _DECIMAL.fullmatch(form) if len(form) <= 60 else None
    if found is None:
        return None
    exponent = int(found["braced"] or found["digit"] or found["exponent"] or 0)
    last = Fraction(10) ** (exponent - len(found["part"]))
    value = int(f"{found['sign']}{found['whole']}{found['part']}") * last
    return value, last


def rounds(form: str, exact: Fraction | float) -> bool:
    """Whether ``form`` is a decimal of `ENOUGH` digits that is ``exact``, rounded or cut off."""
    found = decimal(form)
    if found is None or not exact:
        return False
    value, last = found
    if abs(value) < last * 10 ** (ENOUGH - 1):
        return False
    if isinstance(exact, Fraction):
        # what can be written with so many digits has to be written exactly
        return abs(value - exact) <= last and (exact / last).denominator != 1
    return abs(float(value) - exact) <= max(float(last), 1e-14 * abs(exact))
