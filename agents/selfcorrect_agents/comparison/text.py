"""Figures as plain text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNDEFINED = "–"
ORACLE_MARK = "†"


def percent(share: float | None, signed: bool = False) -> str:
    """Return a share in percent with one decimal; an en dash where it is undefined."""
    if share is None:
        return UNDEFINED
    return f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"


def count(number: float | None) -> str:
    """Return a whole number; an en dash where it is unknown."""
    return UNDEFINED if number is None else f"{number:,.0f}"


def decimal(number: float | None) -> str:
    """Return a number with one decimal; an en dash where it is unknown."""
    return UNDEFINED if number is None else f"{number:,.1f}"


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds: "1:02:03", "4:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def p_value(p: float | None) -> str:
    """Return a p-value with two digits, "<0.0001" below that."""
    if p is None:
        return UNDEFINED
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def with_interval(figure: Mapping[str, Any], signed: bool = False) -> str:
    """Return a figure in percent, followed by its interval where it has one."""
    value, low, high = (percent(figure[key], signed) for key in ("value", "low", "high"))
    return value if figure["low"] is None else f"{value} [{low}, {high}]"


def nats(figure: Mapping[str, Any] | None) -> str:
    """Return a KL with three decimals; an en dash where there is none."""
    return UNDEFINED if figure is None else f"{figure['value']:.3f}"


def name_of(method: Mapping[str, Any]) -> str:
    """Return a method's name, with a mark where it is an oracle."""
    return f"{method['name']} {ORACLE_MARK}" if method["oracle"] else method["name"]
