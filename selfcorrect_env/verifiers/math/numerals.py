"""Numbers written in English words: ``twenty-five`` is 25."""

from __future__ import annotations

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
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def number_of_words(text: str) -> int | None:
    """Return the number that lower-case words name, or None.

    >>> number_of_words("one hundred and twenty-five")
    125
    """
    words = [word for word in text.replace("-", " ").split() if word != "and"]
    total = group = 0
    last = 10**12
    for word in words:
        if word in _SMALL:
            number = _SMALL[word]
            if not (last >= 100 or (20 <= last < 100 and number < 10 and last % 10 == 0)):
                return None
            group, last = group + number, number
        elif word == "hundred" and 0 < group < 10:
            group, last = group * 100, 100
        elif word in _LARGE and group:
            total, group, last = total + group * _LARGE[word], 0, 1000
        else:
            return None
    return total + group if words else None
