"""Numbers written in English words: ``twenty-five`` is 25."""

from __future__ import annotations

import re
from fractions import Fraction

from selfcorrect_env.verifiers.math.scales import factor

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: number for number, word in enumerate(_UNITS)}
_SMALL |= {word: 10 * (number + 2) for number, word in enumerate(_TENS)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ARTICLES = frozenset(["a", "an"])
_MOST_WORDS = 14
_PARTS = r"(?P<count>an?|one|two|three|four|five|six|seven|eight|nine)[\s-]+(?P<part>[a-z]+)\b"
_MIXED = re.compile(
    rf"(?P<whole>\d)(?P<before>\s*\\text\s*\{{\s*|\s+)and\s+{_PARTS}", re.IGNORECASE
)


def number_of_words(text: str) -> Fraction | None:
    """Return the number that words name, or None.

    >>> number_of_words("one hundred and twenty-five"), number_of_words("three and a half")
    (Fraction(125, 1), Fraction(7, 2))
    >>> number_of_words("twenty and five") is None
    True
    """
    found = leading_number(text)
    return found[0] if found and not found[1] else None


def leading_number(text: str) -> tuple[Fraction, str] | None:
    """Return the number that words begin with, and the words after it; None without a number.

    >>> leading_number("twenty-five red apples")
    (Fraction(25, 1), 'red apples')
    """
    words = text.casefold().replace("-", " ").split(maxsplit=_MOST_WORDS)
    sign = -1 if words[:1] in (["minus"], ["negative"]) else 1
    words = words[1:] if sign < 0 else words
    if not words or not (words[0] in _SMALL or words[0] in _ARTICLES or words[0] == "half"):
        return None
    for size in range(min(len(words), _MOST_WORDS), 0, -1):
        value = _value(words[:size])
        if value is not None:
            return sign * value, " ".join(words[size:])
    return None


def mixed_numbers(text: str) -> str:
    r"""Return ``text`` with "5 and a half" as ``5\frac{1}{2}``.

    >>> mixed_numbers(r"5\text{ and a half years}")
    '5\\frac{1}{2}\\text{ years}'
    """
    return _MIXED.sub(_mixed, text) if "and" in text else text


def _mixed(found: re.Match[str]) -> str:
    value = _fraction([found["count"].casefold(), found["part"].casefold()])
    if value is None or not 0 < value < 1:
        return found.group()
    command = r"\text{" if "text" in found["before"] else " "
    above, below = value.as_integer_ratio()
    return rf"{found['whole']}\frac{{{above}}}{{{below}}}{command}"


def _value(words: list[str]) -> Fraction | None:
    whole = _whole(words)
    if whole is not None:
        return Fraction(whole)
    fraction = _fraction(words)
    if fraction is not None or "and" not in words:
        return fraction
    at = words.index("and")
    before, part = _whole(words[:at]), _fraction(words[at + 1 :])
    return before + part if before is not None and part is not None and 0 < part < 1 else None


def _fraction(words: list[str]) -> Fraction | None:
    """Read a number with a word that scales it: "two thirds", "a dozen", "half"."""
    if words == ["half"]:
        return Fraction(1, 2)
    if not words:
        return None
    *before, last = words
    number = 1 if len(before) == 1 and before[0] in _ARTICLES else _whole(before)
    scale = factor(last, one=number == 1)
    return number * scale if number is not None and scale is not None else None


def _whole(words: list[str]) -> int | None:
    """Read a whole number; "and" stands only before tens and units: "one hundred and five"."""
    total = group = 0
    last = 10**12
    joined = False
    for word in words:
        if word == "and" and last in (100, 1000) and not joined:
            joined = True
        elif word in _SMALL:
            number = _SMALL[word]
            if not (last >= 100 or (20 <= last < 100 and number < 10 and last % 10 == 0)):
                return None
            group, last = group + number, number
        elif word == "hundred" and 0 < group < 10 and not joined:
            group, last = group * 100, 100
        elif word in _LARGE and group:
            total, group, last, joined = total + group * _LARGE[word], 0, 1000, False
        else:
            return None
    complete = words and words[-1] != "and"
    return total + group if complete else None
