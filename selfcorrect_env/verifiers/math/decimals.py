r"""Decimals with enough digits to identify the exact value that they round or truncate.

``0.333`` is not a third; ``0.333333333333``, with twelve digits, is a program's output for a third.
"""

from __future__ import annotations

import re
from fractions import Fraction

ENOUGH = 12
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


def precise(form: str) -> bool:
    """Return whether ``form`` is a decimal of at least `ENOUGH` significant digits."""
    found = decimal(form)
    return found is not None and abs(found[0]) >= found[1] * 10 ** (ENOUGH - 1)


def rounds(form: str, exact: Fraction) -> bool:
    """Return whether ``form`` is ``exact``, rounded or truncated to at least `ENOUGH` digits."""
    found = decimal(form)
    if found is None or not precise(form):
        return False
    value, last = found
    # a value that these digits can represent exactly must be exact
    missing = (abs(exact) - abs(value)) / last if value * exact > 0 else 1
    return -1 / Fraction(2) <= missing < 1 and (exact / last).denominator != 1
