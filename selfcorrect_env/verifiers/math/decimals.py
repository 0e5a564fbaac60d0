r"""Decimals with enough digits to identify the exact value that they round or truncate.

``0.333`` is not a third; ``0.3333333333``, with ten digits, is a calculator's output for a third.
"""

from __future__ import annotations

import re
from fractions import Fraction

ENOUGH = 10
"""Minimum number of significant digits at which a decimal equals the value that it rounds."""

_DECIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)\.(?P<part>\d+)"
    r"(?:(?:\\times|\\cdot|\*)10\^(?:\{(?P<braced>-?\d{1,3})\}|(?P<digit>\d))"
    r"|[eE](?P<exponent>[+-]?\d{1,3}))?"
)


def decimal(form: str) -> tuple[Fraction, Fraction] | None:
    r"""Return the value of a decimal and that of its last digit's unit, or None if it is not one.

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
    """Return whether ``form`` is ``exact``, rounded or truncated to at least `ENOUGH` digits."""
    found = decimal(form)
    if found is None or not exact:
        return False
    value, last = found
    if abs(value) < last * 10 ** (ENOUGH - 1):
        return False
    if isinstance(exact, Fraction):
        # a value that these digits can represent exactly must be exact
        return abs(value - exact) <= last and (exact / last).denominator != 1
    return abs(float(value) - exact) <= max(float(last), 1e-14 * abs(exact))
