"""Words that multiply or divide the number before them: ``5 million``, ``2 thirds``."""

from __future__ import annotations

import re
from fractions import Fraction

_MULTIPLES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
    "quadrillion": 10**15,
    "quintillion": 10**18,
}
_DENOMINATORS = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "thirteenth": 13,
    "fourteenth": 14,
    "fifteenth": 15,
    "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18,
    "nineteenth": 19,
    "twentieth": 20,
    "thirtieth": 30,
    "fortieth": 40,
    "fiftieth": 50,
    "sixtieth": 60,
    "seventieth": 70,
    "eightieth": 80,
    "ninetieth": 90,
    "hundredth": 100,
    "thousandth": 10**3,
    "millionth": 10**6,
    "billionth": 10**9,
}
_PLURALS = {"halves": "half"} | {
    f"{word}s": word for word in (*_MULTIPLES, *_DENOMINATORS) if word != "half"
}
_SCALES = {word: Fraction(number) for word, number in _MULTIPLES.items()}
_SCALES |= {word: Fraction(1, number) for word, number in _DENOMINATORS.items()}
SCALE_WORDS = frozenset((*_MULTIPLES, *_PLURALS, "half"))
"""The words that scale any number. "Sixth" is none: there may be 5 sixth graders."""
SINGULAR_PARTS = frozenset(_DENOMINATORS)
"""The words that scale 1: "1 third"."""
_UNKNOWN = re.compile(
    r"[a-z]*illi(?:on|one|onen|ard|arde|arden)s?|milh(?:ão|ões)|mill?(?:es|iers|ones)|docenas?|d[ou]u?zaines?"
    r"|dizaines|centaines|centenas|decenas|tercios|cuartos|quintos"
    r"|twos|threes|fours|fives|sixes|sevens|eights|nines|tens|scores"
)
MONEY = {
    "k": 10**3,
    "K": 10**3,
    "m": 10**6,
    "M": 10**6,
    "mn": 10**6,
    "B": 10**9,
    "b": 10**9,
    "bn": 10**9,
}
"""Letters directly after an amount of money that multiply it: ``$18K``."""


def scales(word: str) -> bool:
    """Return whether a word after a number changes its value, by a known factor or another.

    >>> scales("dozens"), scales("thirds"), scales("zillions"), scales("sixth"), scales("apples")
    (True, True, True, False, False)
    """
    low = word.casefold()
    return low in SCALE_WORDS or bool(_UNKNOWN.fullmatch(low))


def factor(word: str, *, one: bool = False) -> Fraction | None:
    """Return what a word multiplies the number before it by; None if it is no such word.

    A denominator has to agree with its number: ``1 third`` (``one``), ``2 thirds``.

    >>> factor("dozens"), factor("thirds"), factor("third"), factor("third", one=True)
    (Fraction(12, 1), Fraction(1, 3), None, Fraction(1, 3))
    """
    low = word.casefold()
    singular = _PLURALS.get(low, low)
    if singular in _DENOMINATORS and (singular == low) != one:
        return None
    return _SCALES.get(singular)
