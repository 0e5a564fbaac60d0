"""Numbers, amounts of money and lists of them in plain text."""

from __future__ import annotations

import re

_DIGITS = r"(?:\d{1,2}:\d{2}(?!\d)|\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_MIXED = r"(?:\d{1,3} (?=\d{1,2}/\d{1,3}(?![\d/.])))"
"""The whole part of a mixed number: "1 1/2"."""
NUMBER = re.compile(
    rf"(?:(?<![\w)\]}}.])[-−])?(?:\\?\$|[€£¥])?-?{_MIXED}?{_DIGITS}(?:[eE][+-]?\d+)?"
    rf"(?:\s?(?:[×x*]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?(?:\{{-?\d+\}}|-?\d+))?"
    r"(?:\s?/\s?\d+(?![\d/]))?(?:\s?\\?%)?"
)
SAME = r"(?:equivalently|simply|just|about|in other words|approximately)\b,?\s*"
"""Words between two spellings of one value."""
JOINED = re.compile(
    rf"\s*(?:[,;]\s*(?:(?:and|or)\b)?|\b(?:and|or)\b|或者?|[和与及])\s*(?:{SAME})?", re.IGNORECASE
)
"""What joins two values of a list."""
LIST = re.compile(rf"{NUMBER.pattern}(?:{JOINED.pattern}{NUMBER.pattern})*", re.IGNORECASE)
CURRENCY = re.compile(r"\\?\$|[€£¥]")
OR = re.compile(r"\bor\b|或", re.IGNORECASE)


def in_a_word(text: str, start: int, end: int) -> bool:
    """Return whether there are letters on both sides, as in ``H2O``."""
    around = text[start - 1 : start] + text[end : end + 1]
    return len(around) == 2 and around.isascii() and around.isalpha()


def listed_numbers(found: re.Match[str]) -> str:
    """Return a match of `LIST` as a list with commas, or with "or"."""
    text, parts, position = found.group(), [], 0
    while number := NUMBER.match(text, position):
        joint = JOINED.match(text, number.end())
        parts.append(CURRENCY.sub("", number.group()))
        if joint is None:
            break
        comma = "," if joint.group() == "," else ", "  # "2,5" may be a decimal
        parts.append(" or " if OR.search(joint.group()) else comma)
        position = joint.end()
    return "".join(parts)
