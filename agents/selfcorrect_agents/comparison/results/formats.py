"""Numbers as people read them: on the page, in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfcorrect_agents.comparison.results.comparison import Figure

UNDEFINED = "–"


def percent(share: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """Return a share in percent, without the sign ``%``.

    >>> percent(0.987), percent(-0.112, signed=True), percent(None)
    ('98.7', '−11.2', '–')
    """
    if share is None:
        return UNDEFINED
    written = f"{100 * share:{'+' if signed else ''}.{digits}f}"
    if not written.strip("+-0."):
        written = written.lstrip("+-")  # no sign before zero
    return written.replace("-", "−")


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a plain number; small ones in two significant digits.

    >>> decimal(0.2), decimal(0.0031), decimal(None)
    ('0.20', '0.0031', '–')
    """
    if value is None:
        return UNDEFINED
    small = value != 0 and abs(value) < 10**-digits
    return f"{value:.{'2g' if small else f'{digits}f'}}".replace("-", "−")


def interval(figure: Figure | None, *, signed: bool = False, shares: bool = True) -> str:
    """Return ``[low, high]``, or nothing where there is no interval."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    if not shares:
        return f"[{decimal(figure.low)}, {decimal(figure.high)}]"
    return f"[{percent(figure.low, signed=signed)}, {percent(figure.high, signed=signed)}]"


def with_interval(figure: Mapping[str, Any], signed: bool = False) -> str:
    """Return a share of comparison.json in percent, followed by its interval where it has one.

    >>> with_interval({"value": -0.112, "low": -0.2, "high": -0.024}, signed=True)
    '−11.2 [−20.0, −2.4]'
    """
    value, low, high = (percent(figure[key], signed=signed) for key in ("value", "low", "high"))
    return value if figure["low"] is None else f"{value} [{low}, {high}]"


def count(value: float | None) -> str:
    """Return a whole number with separators.

    >>> count(2_340_000), count(None)
    ('2,340,000', '–')
    """
    return UNDEFINED if value is None else f"{value:,.0f}"


def tokens(value: float | None) -> str:
    """Return a mean number of tokens.

    >>> tokens(9.25), tokens(1234.5), tokens(None)
    ('9.2', '1,234.5', '–')
    """
    return UNDEFINED if value is None else f"{value:,.1f}"


def short(value: float) -> str:
    """Return a number for an axis.

    >>> short(0), short(20_000), short(1_500_000), short(0.5)
    ('0', '20k', '1.5M', '0.5')
    """
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Return a time span.

    >>> duration(12.34), duration(754), duration(8000)
    ('12.3 s', '12 min 34 s', '2 h 13 min')
    """
    if seconds is None:
        return UNDEFINED
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """Return a time span where there is little room.

    >>> clock(62.4), clock(8000)
    ('1:02', '2:13:20')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def p_value(p: float | None) -> str:
    """Return a p-value.

    >>> p_value(0.0312), p_value(1e-9), p_value(1.0)
    ('0.031', '< 0.0001', '1')
    """
    if p is None:
        return UNDEFINED
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
