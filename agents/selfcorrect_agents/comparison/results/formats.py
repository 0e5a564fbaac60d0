"""Numbers as people read them: on the page, in the terminal and in Markdown."""

from __future__ import annotations

import math

from selfcorrect_agents.comparison.results.comparison import MetricValue

UNDEFINED = "–"


def percent(share: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """Return a share in percent, without the sign ``%``.

    >>> percent(0.987), percent(-0.112, signed=True), percent(None)
    ('98.7', '−11.2', '–')
    """
    return UNDEFINED if share is None else fixed(100 * share, digits, signed=signed)


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """Return a number with ``digits`` decimals, a true minus sign, and no sign before zero.

    >>> fixed(-0.04, 1), fixed(3.14159, 2, signed=True)
    ('0.0', '+3.14')
    """
    written = f"{value:{'+' if signed else ''}.{digits}f}"
    if not written.strip("+-0."):
        written = written.lstrip("+-")
    return written.replace("-", "−")


def decimals_of(value: float | None, least: int = 2) -> int:
    """Return how many decimals show two significant digits of a number, ``least`` or more.

    >>> decimals_of(0.2), decimals_of(0.0098), decimals_of(0.0)
    (2, 4, 2)
    """
    if not value:
        return least
    return max(least, 1 - math.floor(math.log10(abs(value))))


def decimal(value: float | None, least: int = 2) -> str:
    """Return a number that is no share; a small one with two significant digits.

    >>> decimal(0.2), decimal(0.0031), decimal(None)
    ('0.20', '0.0031', '–')
    """
    return UNDEFINED if value is None else fixed(value, decimals_of(value, least))


def interval(metric: MetricValue | None, *, signed: bool = False, share: bool = True) -> str:
    """Return ``[low, high]``, or nothing if there is no interval.

    Args:
        metric: the metric.
        signed: whether positive numbers have a sign.
        share: whether it is a share, shown in percent; else the ends have as many decimals as
            `decimal` gives the value.

    >>> interval(MetricValue(value=0.0098, low=0.0071, high=0.01), share=False)
    '[0.0071, 0.0100]'
    """
    if metric is None or metric.low is None or metric.high is None:
        return ""
    ends = (metric.low, metric.high)
    if share:
        low, high = (percent(end, signed=signed) for end in ends)
    else:
        digits = decimals_of(metric.value)
        low, high = (fixed(end, digits, signed=signed) for end in ends)
    return f"[{low}, {high}]"


def with_interval(metric: MetricValue | None, *, signed: bool = False) -> str:
    """Return a share in percent, followed by its interval if it has one.

    >>> with_interval(MetricValue(value=-0.112, low=-0.2, high=-0.024), signed=True)
    '−11.2 [−20.0, −2.4]'
    """
    value = percent(metric and metric.value, signed=signed)
    return f"{value} {interval(metric, signed=signed)}".rstrip()


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
    """Return a time span in few characters.

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
