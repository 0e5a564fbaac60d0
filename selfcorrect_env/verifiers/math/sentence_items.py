"""The values of a sentence in order: numbers with the mathematics around them, and formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from selfcorrect_env.verifiers.math.answer_kinds import Answer, Parts, Relation, Unread
from selfcorrect_env.verifiers.math.answers import read_answer
from selfcorrect_env.verifiers.math.formulas import Formula
from selfcorrect_env.verifiers.math.number_patterns import (
    CURRENCY,
    JOINED,
    LIST,
    NUMBER,
    in_a_word,
    listed_numbers,
)
from selfcorrect_env.verifiers.math.runs import MASK, MASK_OF_RELATION, is_share, whole_run
from selfcorrect_env.verifiers.math.scales import MONEY
from selfcorrect_env.verifiers.math.units import unit

_ATOM = re.compile(r"[\d.]+|\\?[A-Za-z]+|\\[a-z]+\{[^{}]*\}(?:\{[^{}]*\})?")
_RELATION = re.compile(r"[=<>,]|\\(?:[lg]eq?|ne|in|approx)(?![A-Za-z])")
_OPERATOR = re.compile(r"[-+*/^×·⋅∙÷⁄∕±∓<>≤≥−]|[^\W\d_]{1,3}\Z")
_RANGE = re.compile(rf"{NUMBER.pattern}[-–~…]{NUMBER.pattern}")
_AMOUNT = re.compile(rf"(?:\\?\$|[€£¥])\s?[\d.,]+(?:{'|'.join(MONEY)})(?![A-Za-z])")
_SHARE_OF = re.compile(
    rf"({NUMBER.pattern})\s+(?:(?:(?:out )?of|in|over)(?: the)?|(?P<to>to))\s+({NUMBER.pattern})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A value in a sentence."""

    text: str
    start: int
    end: int
    money: bool = False
    """Whether it is an amount of money."""
    formula: bool = False
    """Whether it is a formula, or contains one."""
    grown: bool = False
    """Whether more than the number or the formula adjoins it and belongs to it."""
    ambiguous: bool = False
    """Whether that has several readings: a range, or a relation within a sum."""

    @property
    def readable(self) -> bool:
        """Whether it is read whole, with what adjoins it."""
        return not self.grown or (not self.ambiguous and _is_read(read_answer(self.text)))


def masked(text: str, found: Sequence[Formula]) -> str:
    """Return ``text`` with its formulas masked."""
    parts, position = [], 0
    for formula in found:
        mask = MASK_OF_RELATION if _RELATION.search(formula.content) else MASK
        parts += [text[position : formula.start], mask * (formula.end - formula.start)]
        position = formula.end
    return "".join([*parts, text[position:]])


def items_of(hidden: str, inside: Sequence[Formula], start: int, end: int) -> list[Item]:
    """Return the values between two indices of a masked text, of which ``inside`` are formulas.

    A formula without digits is none beside others.
    """
    found: list[Item] = []
    for item in _each(hidden, inside, start, end):
        before = found[-1] if found else None
        if before and (before.grown or item.grown) and not (before.formula or item.formula):
            joint = hidden[before.end : item.start]
            if JOINED.fullmatch(joint):
                money = before.money or item.money
                text = f"{before.text}{joint}{item.text}"
                found[-1] = Item(text, before.start, item.end, money, grown=True)
                continue
        found.append(item)
    telling = [item for item in found if re.search(r"\d", item.text)]
    return telling or found


def _each(hidden: str, inside: Sequence[Formula], start: int, end: int) -> Iterator[Item]:
    position = start
    formulas = iter(inside)
    formula = next(formulas, None)
    number = LIST.search(hidden, position, end)
    while number or formula:
        if formula and (number is None or formula.start < number.start()):
            item = Item(formula.content.rstrip(".,; "), formula.start, formula.end, formula=True)
            telling = bool(re.search(r"\d", item.text))
        elif number:
            listed = listed_numbers(number)
            money = bool(CURRENCY.match(number.group()))
            item = Item(listed, number.start(), number.end(), money)
            telling = not in_a_word(hidden, number.start(), number.end())
        else:
            return
        if telling:
            item = _grown(hidden, inside, item, position, end)
        if (telling or item.formula) and not (item.grown and unit(item.text)):  # cm^2
            yield item
        position = item.end
        while formula and formula.start < position:
            formula = next(formulas, None)
        if number and number.start() < position:
            number = LIST.search(hidden, position, end)


def _grown(hidden: str, inside: Sequence[Formula], item: Item, low: int, high: int) -> Item:
    """Return an item with the mathematics that adjoins it."""
    start, end = whole_run(hidden, item.start, item.end, low, high)
    if (start, end) == (item.start, item.end):
        return item
    within = [formula for formula in inside if start <= formula.start < end]
    plain = hidden[start:end].replace(MASK, "").replace(MASK_OF_RELATION, "")
    related = any(_RELATION.search(formula.content) for formula in within)
    ambiguous = bool(_RANGE.fullmatch(plain) or (related and _OPERATOR.search(plain)))
    parts, position = [], start
    for formula in within:
        bare = _ATOM.fullmatch(formula.content) or not _OPERATOR.search(plain)
        parts += [
            hidden[position : formula.start],
            formula.content if bare else f"({formula.content})",
        ]
        position = formula.end
    text = "".join([*parts, hidden[position:end]]).strip()
    if not _AMOUNT.fullmatch(text):
        text = CURRENCY.sub("", text)
    if is_share(hidden, start, end):
        text = (
            _SHARE_OF.sub(r"\1/\3", text) if " to " not in text else _SHARE_OF.sub(r"\1:\3", text)
        )
    text = re.sub(r"(?<=\d)-(?=[A-Za-z])", " ", text)
    return replace(
        item,
        text=text,
        start=start,
        end=end,
        formula=bool(within),
        grown=True,
        ambiguous=ambiguous,
    )


def _is_read(answer: Answer) -> bool:
    """Return whether every part of an answer is read."""
    if isinstance(answer, Unread):
        return False
    below = answer.parts if isinstance(answer, Parts) else ()
    below = answer.sides if isinstance(answer, Relation) else below
    return all(map(_is_read, below))
