"""Whether what a program printed is what was expected, as judges of contests compare it.

The rules, which are those of LiveCodeBench but for the last:

- White space at the start and the end of the whole output, and of each line, does not count.
- Both have the same number of lines, and each line is the same text; or
- it is the same number of words, each of which is the same text or the same number:
  1.50 is 1.5, and 3.0 is 3. Numbers are compared exactly, as decimals.
- A number with a superfluous leading zero is text, so that 09 is not 9 and 0101 is not 101.

With a tolerance, as in APPS' comparison, numbers may differ by it. A reference without a decimal
point or an exponent is a count: the tolerance is then absolute, and needs a printed number with
one.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII
)

LONGEST_NUMBER = 400
"""Maximum length of a number in characters; a longer one is compared as text."""


def same_output(printed: str, expected: str, tolerance: float = 0.0) -> bool:
    r"""Return whether two outputs are the same by the rules of this module.

    Args:
        printed: what the program wrote.
        expected: what it should write.
        tolerance: by how much two numbers may differ, absolutely or relative to the expected one;
            ≥ 0.

    >>> same_output("1.50 yes\n\n", "1.5 yes"), same_output("0.33333", "0.33334")
    (True, False)
    >>> same_output("0.33333", "0.33334", tolerance=1e-4)
    True
    """
    ours, theirs = _lines(printed), _lines(expected)
    return len(ours) == len(theirs) and all(
        one == other or _same_words(one.split(), other.split(), tolerance)
        for one, other in zip(ours, theirs, strict=True)
    )


def difference(printed: str, expected: str, tolerance: float = 0.0) -> str:
    """Return in a line where the outputs differ; empty if they are the same."""
    ours, theirs = _lines(printed), _lines(expected)
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if one != other and not _same_words(one.split(), other.split(), tolerance):
            return f"line {number} is {one!r:.60}, expected {other!r:.60}"
    if len(ours) != len(theirs):
        return f"it printed {len(ours)} lines, expected {len(theirs)}"
    return ""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_words(ours: list[str], theirs: list[str], tolerance: float) -> bool:
    return len(ours) == len(theirs) and all(
        one == other or _same_number(one, other, tolerance)
        for one, other in zip(ours, theirs, strict=True)
    )


def _same_number(one: str, other: str, tolerance: float) -> bool:
    ours, theirs = _number(one), _number(other)
    if ours is None or theirs is None:
        return False
    if ours == theirs or not tolerance:
        return ours == theirs
    if not (_is_fractional(one) or _is_fractional(other)):
        return False
    scale = max(1.0, abs(float(theirs))) if _is_fractional(other) else 1.0
    return abs(float(ours) - float(theirs)) <= tolerance * scale


def _number(word: str) -> Decimal | None:
    if len(word) > LONGEST_NUMBER or not _NUMBER.fullmatch(word):
        return None
    return Decimal(word)


def _is_fractional(word: str) -> bool:
    return any(mark in word for mark in ".eE")
