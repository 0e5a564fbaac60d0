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
    return _matched(rest, r"\{(d(?:\^\{?\d\}?)?[A-Za-z]?)\}\{(d[A-Za-z](?:\^\{?\d\}?)?)\}")


def typed_derivative(rest: list[Token]) -> tuple[str, int] | None:
    """Read ``dy/dx``: the name of the derivative, and the number of tokens."""
    return _matched(rest, r"(d(?:\^\{?\d\}?)?[A-Za-z])/(d[A-Za-z](?:\^\{?\d\}?)?)")


def _matched(rest: list[Token], pattern: str) -> tuple[str, int] | None:
    found = re.match(pattern, "".join(token.text for token in rest[:16]))
    if not found:
        return None
    size = length = 0
    for token in rest:
        if length >= found.end():
            break
        length += len(token.text)
        size += 1
    above, below = (re.sub("[{}]", "", text) for text in found.groups())
    return (f"{{{above}}}{{{below}}}", size) if length == found.end() else None


def differential(rest: list[Token]) -> tuple[list[Token], str, int] | None:
    r"""Read ``x^2 dx`` after ``\int``: the integrand, the variable, and the number of tokens."""
    depth = inner = 0
    for index, token in enumerate(rest):
        depth += (token.text in ("(", "{", "[")) - (token.text in (")", "}", "]"))
        inner += token.text == r"\int"
        after = rest[index + 1].text if index + 1 < len(rest) else ""
        if depth or not token.text.isalpha() or not token.text.isascii():
            continue
        if token.text == "d" and len(after) == 1 and after.isalpha():
            body, variable, size = list(rest[:index]), after, index + 2
        elif re.fullmatch("[A-Za-z]{0,2}d[A-Za-z]", token.text):
            before = token.text[:-2]
            body = [*rest[:index], *([token._replace(text=before)] if before else [])]
            variable, size = token.text[-1], index + 1
        else:
            continue
        if not inner:
            return body, variable, size
        inner -= 1
    return None


def one_sided(goal: Sequence[Token]) -> tuple[int, int]:
    """Return the side of a limit at ``0^+`` (1), ``0^-`` (-1) or ``0`` (0), and its tokens."""
    text = "".join(token.text for token in goal)
    for mark, side in (("^+", 1), ("^{+}", 1), ("^-", -1), ("^{-}", -1)):
        if text.endswith(mark):
            return side, len(mark)
    return 0, 0


def repeating_brackets(tokens: Sequence[Token]) -> Node | None:
    """Read ``0.1(6)``, which is 0.1666…; a product of a decimal and a number is not so written."""
    texts = [token.text for token in tokens]
    sign = -1 if texts[:1] == ["-"] else 1
    found = re.fullmatch(r"(\d+)\.(\d*)\((\d+)\)", "".join(texts[1:] if sign < 0 else texts))
    if found is None or any(token.spaced for token in tokens):
        return None
    whole, digits, period = found.groups()
    value = int(whole + digits) + Fraction(int(period), 10 ** len(period) - 1)
    return ("number", sign * value / 10 ** len(digits))


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
