"""Checks of a configuration's fields: a bad value raises a ValueError that names its field."""

from __future__ import annotations

import math


def check(holds: bool, name: str, expected: str, value: object) -> None:
    """Raise a ValueError that names the field unless ``holds``."""
    if not holds:
        raise ValueError(f"{name} must be {expected}, got {value!r}.")


def at_least(config: object, least: float, *names: str, why: str = "") -> None:
    """Refuse fields below ``least`` and infinite ones; ``why`` is added to the message in
    parentheses."""
    reason = f" ({why})" if why else ""
    for name in names:
        value = getattr(config, name)
        check(least <= value < math.inf, name, f"at least {least:g}{reason}", value)


def above_zero(config: object, *names: str) -> None:
    """Refuse fields that are not above 0 and finite."""
    for name in names:
        value = getattr(config, name)
        check(0 < value < math.inf, name, "above 0 and finite", value)


def among(config: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a field that is none of ``choices``."""
    value = getattr(config, name)
    check(value in choices, name, f"one of {', '.join(choices)}", value)
