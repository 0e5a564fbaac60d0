"""Numbers and names that are recognised by a fixed sequence of tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from selfcorrect_env.verifiers.math.tokens import Token
from selfcorrect_env.verifiers.math.trees import Node


def proper_fraction(rest: list[Token]) -> tuple[Fraction, int] | None:
    r"""Read ``\frac{1}{2}`` or a spaced ``1/2`` that follows an integer: it and its length."""
    texts = [token.text for token in rest]
    found = None
    if texts[:2] == [r"\frac", "{"] and len(texts) >= 7 and texts[3:5] == ["}", "{"]:
        found = (texts[2], texts[5], 7) if texts[6] == "}" else None
    elif texts[:1] == [r"\frac"] and len(texts) > 1 and re.fullmatch(r"\d\d", texts[1]):
        found = (texts[1][0], texts[1][1], 2)
    elif len(texts) >= 3 and texts[1] == "/" and rest[0].spaced:
        found = (texts[0], texts[2], 3)
    if found is None or not (found[0].isdigit() and found[1].isdigit()):
        return None
    above, below, size = int(found[0]), int(found[1]), found[2]
    return (Fraction(above, below), size) if 0 < above < below else None


def derivative_name(rest: list[Token]) -> tuple[str, int] | None:
    r"""Read ``{dy}{dx}`` after ``\frac``: the name of the derivative, and the number of tokens."""
    text = "".join(token.text for token in rest[:16])
    found = re.match(r"\{d(?:\^\{?\d\}?)?[A-Za-z]?\}\{d[A-Za-z](?:\^\{?\d\}?)?\}", text)
    if not found:
        return None
    size = length = 0
    for token in rest:
        if length >= found.end():
            break
        length += len(token.text)
        size += 1
    return (found.group(), size) if length == found.end() else None


def repeating_dots(tokens: Sequence[Token]) -> Node | None:
    """Read ``0.333…``: its digits end in a period, written twice or (one digit) three times."""
    texts = [token.text for token in tokens]
    sign = -1 if texts[:1] == ["-"] else 1
    texts = texts[1:] if sign < 0 else texts
    if len(texts) < 2 or not re.fullmatch(r"\d*\.\d+", texts[0]):
        return None
    if texts[1:] != [r"\ldots"]:
        return None
    whole, _, digits = texts[0].partition(".")
    found = re.fullmatch(r"(\d*?)(?:(\d)\2{2,}|(\d{2,}?)\3+)", digits)
    if found is None:
        return None
    period = found[2] or found[3]
    shift = 10 ** len(found[1])
    value = Fraction(int(whole + found[1] or 0), shift)
    value += Fraction(int(period), (10 ** len(period) - 1) * shift)
    return ("number", sign * value)
