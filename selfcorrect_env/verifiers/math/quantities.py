"""Quantities: expressions with units, mixed units, decimals with dots, and ``a \\pm b``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

from selfcorrect_env.verifiers.math import expressions, scales, units
from selfcorrect_env.verifiers.math.answer_kinds import Parts, Quantity
from selfcorrect_env.verifiers.math.token_patterns import repeating_brackets, repeating_dots
from selfcorrect_env.verifiers.math.tokens import Token, TokenKind, spelled
from selfcorrect_env.verifiers.math.trees import INFINITY, Node, children, negative
from selfcorrect_env.verifiers.math.units import PhysicalUnit

Tokens: TypeAlias = "tuple[Token, ...]"

_OPENING = frozenset(["(", "[", "{", r"\{", "⟨", r"\begin"])
_CLOSING = frozenset([")", "]", "}", r"\}", "⟩", r"\end"])
_CURRENCY_SIGNS = frozenset("$€£¥₹")
_TRIGONOMETRIC = frozenset(f"\\{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc"))


_BOUNDED = frozenset(["sum", "prod", "integral", "lim"])


def step(token: Token) -> int:
    """Return 1 for an opening bracket, -1 for a closing one, else 0."""
    return (token.text in _OPENING) - (token.text in _CLOSING)


def split(tokens: Sequence[Token], at: tuple[str, ...]) -> list[Tokens]:
    """Split at signs outside brackets; half-open intervals have brackets of two kinds."""
    parts: list[Tokens] = []
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        depth += step(token)
        if depth == 0 and token.text in at:
            parts.append(tuple(tokens[start:index]))
            start = index + 1
    return [*parts, tuple(tokens[start:])]


def read_quantity(tokens: Tokens) -> Quantity | Parts | None:
    """Read an expression with or without a unit; ``a \\pm b`` is two."""
    signs = [index for index, token in enumerate(tokens) if token.text in (r"\pm", r"\mp")]
    if signs:
        return _both_signs(tokens, signs)
    tokens = _parted(tokens)
    compound = _compound(tokens)
    if compound is not None:
        return compound
    tokens, currency = _currency(tokens)
    number, unit = _unit_at_end(tokens)
    if currency is not None and unit not in (None, currency):
        return None
    number, scale = _scaled(number, money=currency is not None)
    node = expression(number)
    if node is None:
        return None
    unit = unit or currency
    if scale != 1:
        return Quantity(("product", (node, ("number", scale))), unit)
    decimal = spelled(number).replace(" ", "") if _is_decimal(number) else ""
    return Quantity(node, unit, decimal, _measured(number) if unit is None else None)


def _parted(tokens: Tokens) -> Tokens:
    """Return the tokens with "million dollars" and "dozens of eggs" as two words."""
    found: list[Token] = []
    for token in tokens:
        if token.text == "of" and found and scales.scales(found[-1].text):
            continue
        while token.kind is TokenKind.WORD and " " in token.text:
            first, rest = token.text.split(" ", 1)
            if not scales.scales(first):
                break
            found.append(Token(TokenKind.WORD, first, token.spaced))
            token = Token(TokenKind.WORD, rest.removeprefix("of "), True)
        found.append(token)
    return tuple(found)


def _currency(tokens: Tokens) -> tuple[Tokens, PhysicalUnit | None]:
    """Split off what marks money: ``$5``, ``-$5``, ``5€``, ``USD 5``, ``US$ 5``."""
    texts = [token.text for token in tokens]
    start = int(texts[0] == "-")
    end = start
    while end < len(texts) and (
        texts[end] in units.CURRENCIES or (end > start and texts[end] == ".")
    ):
        end += 1
    if end > start and end < len(texts):
        return (*tokens[:start], *tokens[end:]), units.CURRENCIES[
            texts[end - 1].strip(".") or texts[start]
        ]
    if len(texts) > 1 and texts[-1] in _CURRENCY_SIGNS:
        return tokens[:-1], units.CURRENCIES[texts[-1]]
    return tokens, None


def _scaled(tokens: Tokens, *, money: bool) -> tuple[Tokens, Fraction]:
    """Split off the words that multiply or divide a number: the number, and the factor."""
    scale = Fraction(1)
    if money and len(tokens) > 1 and tokens[-2].kind is TokenKind.NUMBER and not tokens[-1].spaced:
        times = scales.MONEY.get(tokens[-1].text)
        if times:
            return tokens[:-1], Fraction(times)
    while len(tokens) > 1 and tokens[-1].kind is TokenKind.WORD:
        found = scales.factor(tokens[-1].text, one=spelled(tokens[:-1]) == "1")
        if found is None:
            break
        tokens, scale = tokens[:-1], scale * found
    return tokens, scale


def _both_signs(tokens: Tokens, signs: list[int]) -> Parts | None:
    if len(signs) > 3:
        return None
    mixed = len({tokens[i].text for i in signs}) > 1
    count = 1 if mixed else len(signs)
    found = []
    for number in range(2**count):
        chosen = list(tokens)
        for bit, index in enumerate(signs):
            up = (number >> (0 if mixed else bit)) & 1 == 0
            plus = up if tokens[index].text == r"\pm" else not up
            chosen[index] = Token(TokenKind.SIGN, "+" if plus else "-")
        part = read_quantity(tuple(chosen))
        if not isinstance(part, Quantity):
            return None
        found.append(part)
    return Parts("list", tuple(found))


def expression(tokens: Tokens) -> Node | None:
    """Return the tree of an expression; None if it is not read, or computes with infinity."""
    repeating = repeating_dots(tokens) or repeating_brackets(tokens)
    if repeating is not None:
        return repeating
    try:
        node = expressions.read(tokens)
    except expressions.Unreadable:
        return None
    whole = node in (INFINITY, negative(INFINITY))
    return node if whole or not _computes_with_infinity(node) else None


def _computes_with_infinity(node: Node) -> bool:
    """Return whether infinity occurs elsewhere than as a bound, or where a limit is taken."""
    if node == INFINITY:
        return True
    below = children(node)
    if node[0] == "call" and node[1] in _BOUNDED:
        below = tuple(it for it in below if it not in (INFINITY, negative(INFINITY)))
    return any(map(_computes_with_infinity, below))


def _is_decimal(tokens: Tokens) -> bool:
    return bool(
        re.fullmatch(r"[+-]?\d*\.\d+(?:\*10\^\{?-?\d+\}?)?", spelled(tokens).replace(" ", ""))
    )


def _compound(tokens: Tokens) -> Parts | None:
    """Read ``2 feet 8 inches`` and ``60° 30'``."""
    texts = [token.text for token in tokens]
    if len(texts) == 4 and texts[1] == "°" and texts[3] == "'" and texts[0].isdigit():
        pair = (("number", Fraction(texts[0])), ("number", Fraction(texts[2])))
        return Parts("and", tuple(Quantity(node) for node in pair)) if texts[2].isdigit() else None
    starts = [
        i
        for i, token in enumerate(tokens)
        if token.kind is TokenKind.NUMBER
        and i
        and tokens[i - 1].kind in (TokenKind.WORD, TokenKind.LETTERS)
    ]
    if tokens[0].kind is not TokenKind.NUMBER or not starts:
        return None
    ends = [0, *starts, len(tokens)]
    parts = []
    for start, end in pairwise(ends):
        number, unit = _unit_at_end(tokens[start:end], bare=True)
        node = expression(number) if unit else None
        if node is None:
            return None
        parts.append(Quantity(node, unit))
    return Parts("and", tuple(parts))


def _measured(tokens: Tokens) -> Quantity | None:
    """Return what a quantity is if its last letters are a unit: ``3m``, ``25 J``."""
    number, unit = _unit_at_end(tokens, bare=True)
    node = expression(number) if unit is not None else None
    return Quantity(node, unit) if node is not None else None


def _unit_at_end(tokens: Tokens, *, bare: bool = False) -> tuple[Tokens, PhysicalUnit | None]:
    """Split off a unit. Without ``bare``, letters are one only after a space, if two or more."""
    if len(tokens) > 1 and tokens[-1].text == "%":
        return tokens[:-1], units.PERCENT
    if len(tokens) > 1 and tokens[-1].text == "°":
        alone = not any(t.text == "°" or t.text in _TRIGONOMETRIC for t in tokens[:-1])
        return (tokens[:-1], units.DEGREE) if alone else (tokens, None)
    depth = 0
    for index, token in enumerate(tokens):
        depth += step(token)
        if index == 0 or depth or not _may_start_unit(tokens, index, bare):
            continue
        phrase = spelled(tokens[index:])
        found = units.unit(phrase)
        if found is None and spelled(tokens[:index]) == "1":
            found = units.unit_of_one(phrase)
        if found is not None:
            return tokens[:index], found
    return tokens, None


def _may_start_unit(tokens: Tokens, index: int, bare: bool) -> bool:
    token, before = tokens[index], tokens[index - 1]
    after_value = (
        before.kind is TokenKind.NUMBER
        or before.text in (")", "}", "]", "!", "°")
        or (before.text in (r"\pi", r"\infty") or before.kind is TokenKind.LETTERS)
    )
    if not (after_value or scales.scales(before.text)):
        return False
    if token.kind is TokenKind.WORD:
        return True
    if token.text == r"\frac":
        return index + 2 < len(tokens) and tokens[index + 2].kind is TokenKind.WORD
    if token.text == "°" or token.text == r"\Omega":
        return index + 1 < len(tokens) or token.text == r"\Omega"
    if token.kind is not TokenKind.LETTERS or not units.is_symbol(token.text):
        return False
    return bare or (len(token.text) > 1 and token.spaced)
