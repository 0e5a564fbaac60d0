r"""The mathematics that a number in a sentence is a part of: ``2^8``, ``√5``, ``5 million``.

A number of a plain sentence is read together with what adjoins it: letters and signs, operators
with their other side, brackets, names of functions, and words that change its value. Formulas of
the sentence are masked by `MASK`, and each is one operand.
"""

from __future__ import annotations

import re

from selfcorrect_env.verifiers.math.number_patterns import CURRENCY, NUMBER
from selfcorrect_env.verifiers.math.scales import MONEY, SCALE_WORDS, SINGULAR_PARTS
from selfcorrect_env.verifiers.math.units import is_symbol

MASK = "\0"
"""Stands for each character of a formula."""
MASK_OF_RELATION = "\1"
"""Stands for each character of a formula that has an equals sign or the like: it is no operand."""

_FUNCTION = (
    r"(?:\\?(?:sqrt|cbrt|sinh?|cosh?|tanh?|arc(?:sin|cos|tan)|ln|log|exp)(?![A-Za-z])"
    r"|\\?(?:cot|sec|csc|gcd|lcm|max|min|det)(?=\s?\())"
)
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿ"
_SYMBOL = (
    r"(?:[√∛∜π∞¼½¾⅐-⅞α-ωΓΔΘΛΞΠΣΦΨ∑∏∫∂ℝℤℕℚ]|\\(?:pi|sqrt|frac|theta|alpha|beta|infty)(?![A-Za-z]))"
)
_LETTER = r"(?<![A-Za-z\\'’])[A-Za-z](?![A-Za-z'’])"
_TIGHT = r"(?:\*\*|\\(?:times|cdot|div|pm)(?![A-Za-z])|[+*/^×·⋅∙÷⁄∕±∓∪∩∖⊕⊗])"
_LOOSE = r"(?:[<>]=|(?<![<>=-])[<>](?![<>=])|[-−≤≥≠≡])"
_OPERAND = (
    rf"\s?[-−]?(?:\\?\$?\.?\d|[(\[{{{MASK}]|{_SYMBOL}|{_FUNCTION}|"
    rf"(?![aAI]\s+[A-Za-z]{{2}}){_LETTER})"
)
_RATIO = r"(?<=\d)[:∶](?=\d)|(?<=\d)\s[:∶]\s(?=\d)"
_RANGE = r"(?<=\d)[–~…](?=\d)|(?<=\d)\s–\s(?=\d)"
_INFIX = re.compile(rf"\s?(?:{_TIGHT}|{_LOOSE})(?={_OPERAND})|{_RATIO}|{_RANGE}")
_RATE = re.compile(r"\s?/\s?[hdwmy](?![A-Za-z])")  # $18/h
_SUFFIX = re.compile(rf"[{_RAISED}₀-₉′†‰∘]+|(?<=\.\d)(?:…|\.\.\.)|(?<=\.\d\d)(?:…|\.\.\.)")
_FACTOR = re.compile(rf"\s?(?:{_SYMBOL}|{_FUNCTION})")
_ATOM = re.compile(rf"{MASK}+|{_SYMBOL}|{_FUNCTION}|{_LETTER}")
_TAKES_MORE = re.compile(rf"(?:[√∛∜]|{_FUNCTION})\Z")
_INDEX = re.compile(r"[_^](?:\{[^{}]{1,9}\}|-?\w)")
_GLUED = re.compile(r"[A-Za-z]+")
_VARIABLE = re.compile(
    rf"\s[A-Za-z](?=\s*(?:[.,;:!?)*]|\Z|\n|(?:{_TIGHT}|{_LOOSE}){_OPERAND}))(?!\.[A-Za-z])"
)
_ENDINGS = frozenset(["st", "nd", "rd", "th", "am", "pm", "AM", "PM"])
_END = r"(?![A-Za-z]|-(?!hundred|thousand|[mb]illion)[A-Za-z])"
_SCALE = rf"(?:{'|'.join(sorted(SCALE_WORDS, key=len, reverse=True))}){_END}"
_PART = rf"(?:{'|'.join(sorted(SINGULAR_PARTS, key=len, reverse=True))}){_END}"
_WORDS = re.compile(
    rf"[\s-]{_SCALE}|(?<![\d.]1)(?<=1)[\s-]{_PART}"
    rf"|\s+and\s+(?:an?|one|two|three|four|five|six|seven|eight|nine)[\s-]+(?:{_SCALE}|{_PART})"
    r"|\s+(?:grand|gross)(?=\s*(?:[.,;!?]|of\b|\Z))"
    r"|\s+and\s+(?:a bit|a little|a few|some|something|change)\b"
    r"|\s+(?:squared|cubed|factorial)\b|\s+(?:raised )?to the (?:\w+ )?power(?: of)?(?: -?\d+)?\b"
    r"|\s+(?:times|plus|minus|divided by|multiplied by|mod(?:ulo)?|choose|(?:in )?base|point"
    rf"|(?:more|less|fewer) than)\s+{NUMBER.pattern}"
    rf"|(?:(?<=%)|\s+per\s?cent)\s+of\s+{NUMBER.pattern}"
    rf"|\s*\(mod\s+{NUMBER.pattern}\)",
    re.IGNORECASE,
)
_YEAR = r"(?!(?:1[5-9]|20)\d\d(?!\d))"
_OUT_OF = re.compile(
    rf"\s+(?P<joint>(?:out )?of|in|over|to)(?: the)?\s+{_YEAR}{NUMBER.pattern}"
    r"(?P<noun>\s+(?!(?:is|are|was|were|and|or|so|for|as|if|when|because|since)\b)[A-Za-z]{2,})?",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"\b(?:probability|chances?|odds|likelihood|fraction|proportion|ratios?|share)\b", re.IGNORECASE
)
_FROM = re.compile(r"\b(?:from|between)\s+[\\$€£]*\Z", re.IGNORECASE)
_NAME_BEFORE = re.compile(
    rf"(?:{_SYMBOL}|{_FUNCTION})(?:{_INDEX.pattern})?\s?\Z|(?<![A-Za-z\\])[A-Za-z]+(?:_\{{?)?\Z"
)
_MONEY_BEFORE = re.compile(r"(?:^|[^A-Za-z])(?:US|CA?|AU?|NZ|HK|S|USD|EUR|GBP|Rs\.?)\Z")
_INFIX_BEFORE = re.compile(
    rf"\s?(?:(?P<tight>{_TIGHT})|{_LOOSE})(?P<space>\s?)[-−]?\s?\Z|{_RATIO}\Z|{_RANGE}\Z"
)
_OPERAND_BEFORE = re.compile(
    rf"(?:{MASK}+|[{_RAISED}%!′]|{_SYMBOL}|\d[\d.,]*|(?<![A-Za-z\\'’])(?P<letters>[A-Za-z]+))\Z"
)
_NO_LETTERS = frozenset(
    [
        "is",
        "are",
        "was",
        "be",
        "so",
        "we",
        "get",
        "it",
        "to",
        "of",
        "by",
        "and",
        "or",
        "the",
        "has",
        "had",
        "as",
        "at",
        "in",
        "on",
        "for",
        "you",
        "he",
        "she",
        "not",
        "now",
        "day",
        "all",
        "a",
        "i",
        "sum",
        "out",
        "off",
    ]
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_REACH = 60
_MOST_STEPS = 200


def whole_run(text: str, start: int, end: int, low: int, high: int) -> tuple[int, int]:
    """Return the span of the mathematics around a number, or a list of numbers, within bounds.

    >>> text = "So it has 2^8 or 5 million sides."
    >>> [text[slice(*whole_run(text, at, at + 1, 0, len(text)))] for at in (12, 17)]
    ['2^8', '5 million']
    """
    first = start
    for _ in range(_MOST_STEPS):
        longer = _step_left(text, start, end, low, high)
        if longer == (start, end):
            break
        start, end = longer
    return start, grown_right(text, first, end, high)


def grown_right(text: str, start: int, end: int, high: int) -> int:
    """Return the end of the mathematics that begins with a number or a formula at ``start``."""
    for _ in range(_MOST_STEPS):
        longer = _step_right(text, start, end, high)
        if longer == end:
            break
        end = longer
    return end


def _step_right(text: str, start: int, end: int, high: int) -> int:
    for pattern in (_SUFFIX, _WORDS):
        if found := pattern.match(text, end, high):
            return found.end()
    if CURRENCY.match(text, start) and _RATE.match(text, end, high):
        return end
    if found := _INFIX.match(text, end, high):
        return _operand(text, found.end(), high)
    if found := _FACTOR.match(text, end, high):
        return _after_name(text, found, high)
    before, after = text[end - 1], text[end : end + 1]
    if after in _PAIRS and (close := _closing(text, end, high)):
        return close
    if end < high and ((after == MASK != before) or (after.isdigit() and before.isalpha())):
        return _operand(text, end, high)
    money = bool(CURRENCY.match(text, start))
    if found := _GLUED.match(text, end, high):
        unit = (before.isdigit() or before == MASK) and _is_unit(found.group(), money)
        return end if unit else found.end()
    if (found := _VARIABLE.match(text, end, high)) and not _is_word(found.group()[1]):
        return found.end()
    return _out_of(text, start, end, high)


def _operand(text: str, position: int, high: int) -> int:
    """Return the end of the operand that begins at ``position``, which is there."""
    while position < high and text[position] in " -−":
        position += 1
    if found := NUMBER.match(text, position, high):
        return found.end()
    if text[position : position + 1] in _PAIRS:
        return _closing(text, position, high) or position + 1
    found = _ATOM.match(text, position, high)
    return _after_name(text, found, high) if found else position


def _after_name(text: str, found: re.Match[str], high: int) -> int:
    """Return the end of a symbol, or of a root or function with its argument."""
    if not _TAKES_MORE.search(found.group()):
        return found.end()
    index = _INDEX.match(text, found.end(), high)
    end = index.end() if index else found.end()
    return _operand(text, end, high) if re.compile(_OPERAND).match(text, end, high) else end


def _is_unit(letters: str, money: bool) -> bool:
    """Return whether letters directly behind a number are no part of its value: "5km", "5th"."""
    if money or letters in ("K", "k", "M", "B"):
        return letters not in MONEY
    return letters in _ENDINGS or is_symbol(letters) or len(letters) > 3


def _is_word(letter: str) -> bool:
    """Return whether a single letter behind a space is a word or a unit: "5 a day", "5 m"."""
    return letter in "aAI" or (letter != "K" and is_symbol(letter))


def _out_of(text: str, start: int, end: int, high: int) -> int:
    """Return the end of "5 out of 6" and "5 to 6"; of "5 out of 6 marbles", 5 is the number."""
    found = _OUT_OF.match(text, end, high)
    if not found:
        return end
    noun = found["noun"] or ""
    counted = bool(noun) and found["joint"] != "to"
    span = _FROM.search(text[max(0, start - _REACH) : start])
    after = found.end() - len(noun)
    return end if (counted or span) and not is_share(text, start, after) else after


def is_share(text: str, start: int, end: int) -> bool:
    """Return whether the words around a span name a share: "the chance is 1 in 6"."""
    named = _SHARE.search(text[max(0, start - _REACH) : start])
    return bool(named or _SHARE.match(text[end : end + _REACH].lstrip()))


def _step_left(text: str, start: int, end: int, low: int, high: int) -> tuple[int, int]:
    before = text[max(low, start - _REACH) : start]
    if not before:
        return start, end
    if before[-1] in _PAIRS:
        return _around(text, start, end, low, high)
    if before[-1] == "|" and text[end : end + 1] == "|":
        return start - 1, end + 1
    if text[start] in "-−" and before.endswith(" "):  # "x -3"
        left, tight = before.rstrip(), False
    elif found := _INFIX_BEFORE.search(before):
        even = bool(found["space"]) == found.group()[0].isspace()
        left, tight = before[: found.start()], bool(found["tight"]) and even
        if found["tight"] == "*" and not even:
            return start, end  # emphasis
    else:
        found = _NAME_BEFORE.search(before)
        digits = re.search(r"\d[\d.]*\Z", before) if not text[start].isdigit() else None
        if digits or (found and not _MONEY_BEFORE.search(before)):
            return start - len(before) + (digits or found).start(), end  # type: ignore[union-attr]
        return start, end
    shift = start - len(before)
    if left[-1:] in (")", "]", "}"):
        opening = _opening(text, shift + len(left) - 1, low)
        return (start, end) if opening is None else (opening, end)
    operand = _OPERAND_BEFORE.search(left)
    if operand is None or not (tight or _may_be_product(operand["letters"])):
        return start, end
    return shift + operand.start(), end


def _may_be_product(letters: str | None) -> bool:
    """Return whether letters may be a product of variables, and are no word."""
    return letters is None or (len(letters) <= 2 and letters.casefold() not in _NO_LETTERS)


def _around(text: str, start: int, end: int, low: int, high: int) -> tuple[int, int]:
    """Return the bracket around a number, if it is one of mathematics."""
    close = _closing(text, start - 1, high)
    if close is None or close < end:
        return start, end
    before = text[max(low, start - 1 - _REACH) : start - 1]
    glued = _NAME_BEFORE.search(before) or (before and before[-1] in f"^_)]}}0123456789{_RAISED}")
    after = _INFIX.match(text, close, high) or _SUFFIX.match(text, close, high)
    after = after or text[close : close + 1] in ("(", "[")
    listed = text[start - 1] in "([" and re.search(r"[,;]", text[start:close])
    return (start - 1, close) if glued or after or listed else (start, end)


def _closing(text: str, opening: int, high: int) -> int | None:
    """Return the index after the bracket that closes the one at ``opening``, if it has no words."""
    depth = 0
    for index in range(opening, min(high, opening + 4 * _REACH)):
        depth += (text[index] in "([{") - (text[index] in ")]}")
        if depth == 0:
            inside = re.sub(_FUNCTION, "", text[opening:index])
            return None if re.search("[A-Za-z]{3}", inside) else index + 1
    return None


def _opening(text: str, closing: int, low: int) -> int | None:
    """Return the index of the bracket that the one at ``closing`` closes."""
    depth = 0
    for index in range(closing, max(low, closing - 4 * _REACH) - 1, -1):
        depth += (text[index] in ")]}") - (text[index] in "([{")
        if depth == 0:
            return index
    return None
