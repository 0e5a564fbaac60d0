r"""The normal form of an answer: one spelling for what MATH's graders treat as equal.

The conventions are those that PRM800K's, Minerva's and Hendrycks' graders share: layout
commands, units, ``^\circ``, ``\%`` and ``\$`` may be dropped; ``x = 5`` answers 5; thousands
separators are ignored; a decimal equals a fraction only if it is exact.
"""

from __future__ import annotations

import re
from fractions import Fraction

from selfcorrect_env.verifiers.math.decimals import decimal
from selfcorrect_env.verifiers.math.typed_math import latex

ROW = "⏎"
"""Marks the end of a matrix row."""

_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|big|Big|bigg|Bigg|limits|mathrm\s*~|,|!|;|:| |quad|qquad)"
    r"(?![A-Za-z])"
)
_STYLE = re.compile(r"\\(?:mathrm|mathbf|mathit|mathsf|textbf|textit|textrm|mbox)(?=\s*\{)")
_FRAC = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_SHORT_FRAC = re.compile(r"\\frac\s*(\d)\s*(\d)(?!\d)")
_HALF_FRAC = re.compile(r"\\frac\s*(?:(\d)\s*(\{[^{}]*\})|(\{[^{}]*\})\s*(\d))")
_SHORT_SQRT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)|°|\\degree(?![A-Za-z])")
_THOUSANDS = re.compile(r"(?<![\d.,])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])")
_MIXED = re.compile(r"(?<![\d/.])(\d+)\s+(\d+)/(\d+)(?![\d/.])")
_SPACED_THOUSANDS = re.compile(r"(?<=\d),\\!\s*(?=\d{3}(?!\d))")
_TRAILING_TEXT = re.compile(r"(?<=[\d})])\s*\\text\s*\{[^{}]*\}(?:\s*\^\s*\{?\d\}?)?$")
_TRAILING_UNIT = re.compile(
    r"(?<=[\d})])\s*(?:(?:square|cubic|sq\.?|cu\.?)\s+)?(?:units?|cm|mm|km|m|meters?|metres?|"
    r"centimeters?|inch(?:es)?|in|feet|foot|ft|yards?|miles?|mph|degrees?|dollars?|cents?|percent(?:age)?|pct|"
    r"seconds?|minutes?|hours?|days?|weeks?|months?|years?|grams?|kg|pounds?|liters?|litres?|"
    r"people|students|ways|points?)(?:\s*\^\s*\{?\d\}?)?$",
    re.IGNORECASE,
)
_COMMAND_BEFORE_LETTER = re.compile(r"(\\(?!text(?![A-Za-z]))[A-Za-z]+)\s+(?=[A-Za-z])")
_ASSIGNED = re.compile(r"^[A-Za-z](?:_\{?\w\}?)?\s*(?:=|\\in(?![A-Za-z]))\s*")
_WHOLE_TEXT = re.compile(r"^\\text\s*\{([^{}]*)\}$")
_BASE = re.compile(r"_\{?(\d+)\}?$")

_NUMERAL = re.compile(r"(-?[0-9A-F]*[0-9][0-9A-F]*)_(?:\{(\d+)\}|(\d+))")
_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"([+-]?)(\d*)\.(\d+)|([+-]?\d+)\.")
_SLASH = re.compile(r"([+-]?\d+)/(\d+)")
_LATEX_FRACTION = re.compile(r"([+-]?)(\d*)\\frac\{([+-]?\d+)\}\{(\d+)\}")


def normal_form(answer: str) -> str:
    """Return the normal form of ``answer``; two answers with the same normal form are equal."""
    text = latex(answer).strip().strip("$").strip().rstrip(".").strip()
    text = text.replace("\\$", "").replace("$", "").replace("\\%", "").replace("%", "")
    text = text.replace("−", "-").replace("\\\\", ROW)  # before "\\ " is removed as a space
    text = _SPACED_THOUSANDS.sub("", text)
    text = _LAYOUT.sub("", _STYLE.sub(r"\\text", text))
    text = _FRAC.sub(r"\\frac", text)
    text = _SHORT_FRAC.sub(r"\\frac{\1}{\2}", text)
    text = _HALF_FRAC.sub(_braced_frac, text)
    text = _SHORT_SQRT.sub(r"\\sqrt{\1}", text)
    text = _DEGREES.sub("", text).strip()
    if whole := _WHOLE_TEXT.match(text):
        words = " ".join(whole.group(1).split()).rstrip(".").strip("()")
        return words if len(words) == 1 else words.casefold()
    text = _TRAILING_TEXT.sub("", text)
    text = _TRAILING_UNIT.sub("", text).strip()
    text = _ASSIGNED.sub("", text)
    if not re.search(r"[(\[]", text):  # "(1,234)" is a point
        separated = text.replace("{,}", ",")
        text = _THOUSANDS.sub(lambda found: found.group(1).replace(",", ""), separated)
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = _COMMAND_BEFORE_LETTER.sub(r"\1{}", text)
    return re.sub(r"\s+", "", text).replace("\\text", "").rstrip(".,\\")


def number(form: str) -> Fraction | None:
    r"""Return the exact value of a normal form, or None if it is not a number.

    Numbers are integers, decimals, ``a/b``, ``\frac{a}{b}`` and mixed numbers of at most 60
    characters.

    >>> number("0.5") == number(r"\frac{1}{2}") == number("1/2")
    True
    """
    if len(form) > 60 or not form.isascii():
        return None
    if _INTEGER.fullmatch(form) or _DECIMAL.fullmatch(form):
        return Fraction(form + "0" if form.endswith(".") else form)
    if (written := decimal(form)) is not None:
        return written[0]
    if (found := _SLASH.fullmatch(form)) and int(found.group(2)):
        return Fraction(int(found.group(1)), int(found.group(2)))
    if (found := _LATEX_FRACTION.fullmatch(form)) and int(found.group(4)):
        sign, whole, above, below = found.groups()
        value = int(whole or 0) + Fraction(int(above), int(below))
        return -value if sign == "-" else value
    return None


def numeral(form: str) -> tuple[str, str] | None:
    """Return the digits and the base of a numeral with a base, such as ``52_8``, or None."""
    found = _NUMERAL.fullmatch(form)
    return None if found is None else (found[1], found[2] or found[3])


def without_base(form: str) -> str:
    """Drop the base of a numeral: ``52_8`` and ``52`` are equal, since one of them has no base."""
    return _BASE.sub("", form)


def _braced_frac(found: re.Match[str]) -> str:
    digit_above, below, above, digit_below = found.groups()
    if digit_above is not None:
        return rf"\frac{{{digit_above}}}{below}"
    return rf"\frac{above}{{{digit_below}}}"
