"""Units and counted things: ``cm^2``, ``square inches``, ``km per hour``, ``apples``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfcorrect_env.verifiers.math.foreign_words import is_counted
from selfcorrect_env.verifiers.math.scales import SINGULAR_PARTS, scales

_NAMES = {
    "m": "meter metre",
    "cm": "centimeter centimetre",
    "mm": "millimeter millimetre",
    "km": "kilometer kilometre",
    "dm": "decimeter decimetre",
    "μm": "micrometer micrometre micron µm",
    "in": "inch inches",
    "ft": "foot feet",
    "yd": "yard",
    "mi": "mile",
    "s": "second sec",
    "min": "minute",
    "h": "hour hr",
    "ms": "millisecond",
    "μs": "microsecond µs",
    "day": "",
    "week": "wk",
    "month": "",
    "year": "yr",
    "g": "gram",
    "kg": "kilogram",
    "mg": "milligram",
    "μg": "microgram µg",
    "lb": "pound",
    "oz": "ounce",
    "t": "ton tonne",
    "L": "liter litre",
    "mL": "milliliter millilitre ml",
    "gal": "gallon",
    "qt": "quart",
    "N": "newton",
    "J": "joule",
    "kJ": "kilojoule",
    "W": "watt",
    "kW": "kilowatt",
    "V": "volt",
    "A": "ampere amp",
    "C": "coulomb",
    "F": "farad",
    "Ω": "ohm Ω Omega",
    "Hz": "hertz",
    "kHz": "kilohertz",
    "MHz": "megahertz",
    "Pa": "pascal",
    "kPa": "kilopascal",
    "atm": "atmosphere",
    "K": "kelvin",
    "mol": "mole",
    "eV": "electronvolt",
    "T": "tesla",
    "°": "degree deg",
    "rad": "radian",
    "°C": "celsius",
    "°F": "fahrenheit",
    "$": "dollar usd",
    "cent": "",
    "€": "euro eur",
    "£": "gbp",
    "¥": "yen jpy",
    "₹": "rupee inr rs",
    "%": "percent pct percentage",
    "acre": "",
}
_SYMBOLS = {symbol: symbol for symbol in _NAMES}
_WORDS = {word.lower(): symbol for symbol, words in _NAMES.items() for word in words.split()}
_WORDS |= {symbol: symbol for symbol in _NAMES if len(symbol) > 3}
_COMPOSED = {
    "mph": "mi/h",
    "kph": "km/h",
    "kmph": "km/h",
    "sq": "square",
    "cu": "cubic",
    "cc": "cm^3",
}
_IRREGULAR = frozenset(["people", "children", "men", "women", "mice", "dice", "geese", "teeth"])
_FUNCTION_WORDS = (
    "is are was were be been has have does do did not no or and but if when where while for all "
    "any some only else than then because since as at by with without unless until that this "
    "these those its it so thus yes always less minus plus times pass guess us over under mod "
    "modulo squared cubed root roots factorial factorials reciprocal reciprocals negative "
    "negatives inverse inverses opposite opposites logarithm logarithms"
)
_NO_NOUNS = frozenset(_FUNCTION_WORDS.split())
_NO_SINGLE = frozenset(["of", "them", "which", "who", "such", "more", "less", "other", "another"])
_NEUTRAL = frozenset(["unit", "units"])
_SIGNS = {"€": "€", "£": "£", "¥": "¥", "₹": "₹", "USD": "$", "US": "$", "EUR": "€", "GBP": "£"}
_SIGNS |= {"$": "$", "JPY": "¥", "INR": "₹", "Rs": "₹", "Rs.": "₹", "US$": "$"}


@dataclass(frozen=True, slots=True)
class PhysicalUnit:
    """A unit: known factors with their exponents, or the noun of counted things."""

    factors: tuple[tuple[str, int], ...]
    noun: str = ""

    @property
    def neutral(self) -> bool:
        """Whether it says nothing: "units", "square units"."""
        return not self.factors and not self.noun


DEGREE = PhysicalUnit((("°", 1),))
PERCENT = PhysicalUnit((("%", 1),))
KELVIN = PhysicalUnit((("K", 1),))
CURRENCIES = {sign: PhysicalUnit(((symbol, 1),)) for sign, symbol in _SIGNS.items()}
"""Units of money by what stands before an amount: ``$``, ``USD``."""


def compatible(a: PhysicalUnit | None, b: PhysicalUnit | None) -> bool:
    """Return whether two units agree: one is missing, or they are the same."""
    return a is None or b is None or a.neutral or b.neutral or a == b


def is_symbol(text: str) -> bool:
    """Return whether letters are a unit's symbol or a short name: ``cm``, ``J``, ``mph``."""
    return text in _SYMBOLS or text.lower() in _WORDS or text in _COMPOSED


def unit(phrase: str) -> PhysicalUnit | None:
    """Read a unit; None if the phrase is none.

    >>> unit("square inches") == unit("in^2")
    True
    >>> unit("is wrong") is None
    True
    """
    phrase = re.sub(r"^\\frac \{ ([^{}]*) \} \{ (.*) \}$", r"\1/\2", phrase)
    text = phrase.strip().strip(".").replace("²", "^2").replace("³", "^3")
    text = re.sub(r"\s*\^\s*\{?\s*(-?)\s*(\d)\s*\}?", r"^\1\2", text).replace("\\", "")
    text = re.sub(r"°\s*(?:C\b|[Cc]elsius)|degrees? (?:Celsius|C\b)", "celsius", text)
    text = re.sub(r"°\s*(?:F\b|[Ff]ahrenheit)|degrees? (?:Fahrenheit|F\b)", "fahrenheit", text)
    words = re.sub(r"\b(?:sq|cu)\.", lambda found: found[0][:2], text).split()
    if words and all(
        word.lower().partition("^")[0] in (*_NEUTRAL, "square", "cubic") for word in words
    ):
        return PhysicalUnit(())
    expanded = " ".join(_COMPOSED.get(word, word) for word in words)
    expanded = re.sub(r"(?:^|\s+)(?:per|an?|each|every)\s+|\s*/\s*", "/", expanded)
    return _known(expanded) or _noun(words)


def unit_of_one(phrase: str) -> PhysicalUnit | None:
    """Read the unit of a single thing: ``apple`` is ``apples``.

    >>> unit_of_one("apple") == unit("apples"), unit_of_one("million") is None
    (True, True)
    """
    words = phrase.casefold().split()
    if words and words[0] in SINGULAR_PARTS:
        return None
    if any(word in _NO_NOUNS or word in _NO_SINGLE or scales(word) for word in words):
        return None
    return unit(f"{phrase}s")


def _known(text: str) -> PhysicalUnit | None:
    total: dict[str, int] = {}
    noun = ""
    for index, side in enumerate(text.split("/")):
        factors = [] if text.startswith("/") and not index else _factors(side)
        if factors is None and index and re.fullmatch("[a-z]{3,}", side):
            factors, noun = [], f"/{side}"  # "per person"
        if factors is None or index > 2:
            return None
        for name, power in factors:
            total[name] = total.get(name, 0) + (power if index == 0 else -power)
    return PhysicalUnit(
        tuple(sorted((name, power) for name, power in total.items() if power)), noun
    )


def _factors(side: str) -> list[tuple[str, int]] | None:
    """Read a product of units: "square cm", "kg m^2", "N*m"."""
    found: list[tuple[str, int]] = []
    power = 1
    for word in re.split(r"(?:[\s*·]|(?<!\^)-)+", side.strip()):
        if word.lower() in ("square", "cubic"):
            power = 2 if word.lower() == "square" else 3
            continue
        name, _, exponent = word.partition("^")
        symbol = _symbol(name)
        if symbol is None or (exponent and not re.fullmatch(r"-?\d", exponent)):
            return None
        found.append((symbol, int(exponent or 1) * power))
        power = 1
    return found if power == 1 else None


def _symbol(name: str) -> str | None:
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    low = name.lower()
    for form in (low, low.removesuffix("s"), low.removesuffix(".")):
        if form in _WORDS:
            return _WORDS[form]
    return None


def _noun(words: list[str]) -> PhysicalUnit | None:
    """Read counted things: a plural, perhaps with adjectives before it."""
    if len(words) == 1 and not words[0].isascii() and len(words[0]) <= 4:
        return PhysicalUnit((), words[0]) if is_counted(words[0]) else None
    if not 1 <= len(words) <= 3 or not all(re.fullmatch("[A-Za-z]{2,}", word) for word in words):
        return None
    lower = [word.lower() for word in words]
    head = lower[-1]
    plural = (
        head.endswith("s") and not head.endswith("ss") and len(head) > 3
    ) or head in _IRREGULAR
    if not plural or any(word in _NO_NOUNS or scales(word) for word in lower):
        return None
    return PhysicalUnit((), head)
