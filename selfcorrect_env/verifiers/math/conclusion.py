"""The value of a reply that marks none as its answer: what its last sentence with a value says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from selfcorrect_env.verifiers.math.commitment import denied, modified, offered_beside, unsure
from selfcorrect_env.verifiers.math.formulas import Formula, formulas
from selfcorrect_env.verifiers.math.values import LIST, Value, listed_numbers, stated_value

_BREAK = re.compile(r"[.!?](?=\s|$)|\n")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_MASK = "\0"
_MOST_SENTENCES, _MOST_ITEMS, _NEAR = 200, 50, 500
_CLAUSE_END = re.compile(r"[,;:]\s")


_AFTER_PREPOSITION = re.compile(
    r"\b(?:(?:in|for|over|after|within|during|from|per|with|among|of the|out of)"
    r"(?: (?:the|all|these|those|each|every|his|her|their|its))?)[\s*$]*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Item:
    text: str
    start: int
    end: int


def concluded(tail: str) -> Value | None:
    """Return the value of the last sentence that has one: bold, else a formula, else a number.

    >>> concluded("She sells 9 eggs at $2 each. So she makes 9 * $2 = $18 every day.").text
    '18'
    """
    found, _ = formulas(tail)
    masked = _masked(tail, found)
    for start, end in _sentences_from_the_end(masked):
        inside = [f for f in found if start <= f.start < end]
        items = _items(masked, inside, start, end)
        if not items:
            continue
        if bold := _bold(tail, start, end):
            return bold
        items = [
            item
            for item in items[-_MOST_ITEMS:]
            if not denied(
                tail[max(start, item.start - _NEAR) : item.start],
                tail[item.end : min(end, item.end + _NEAR)],
            )
        ]
        if not items or unsure(tail[start:end]) or modified(tail[start : items[-1].start]):
            return None
        return _chosen(tail, items, end)
    return None


def _masked(tail: str, found: list[Formula]) -> str:
    parts, position = [], 0
    for formula in found:
        parts += [tail[position : formula.start], _MASK * (formula.end - formula.start)]
        position = formula.end
    return "".join([*parts, tail[position:]])


def _sentences_from_the_end(masked: str) -> Iterator[tuple[int, int]]:
    ends = [found.end() for found in _BREAK.finditer(masked)]
    borders = [0, *ends, len(masked)][-_MOST_SENTENCES:]
    for start, end in zip(borders[-2::-1], borders[:0:-1], strict=True):
        if masked[start:end].strip():
            yield start, end


def _items(masked: str, inside: list[Formula], start: int, end: int) -> list[_Item]:
    """Return the values of a sentence in order; a formula without digits is none beside others."""
    numbers = [
        _Item(listed_numbers(n), n.start(), n.end()) for n in LIST.finditer(masked, start, end)
    ]
    maths = [_Item(f.content.rstrip(".,; "), f.start, f.end) for f in inside]
    telling = [item for item in maths if re.search(r"\d", item.text)]
    if telling or not numbers:
        numbers += telling or maths
    return sorted(numbers, key=lambda item: item.start)


def _bold(tail: str, start: int, end: int) -> Value | None:
    for found in reversed(list(_BOLD.finditer(tail, start, end))):
        value = stated_value(found[1])
        if value and value.exact and not denied(tail[start : found.start()], tail[found.end() :]):
            return value
    return None


def _chosen(tail: str, items: list[_Item], end: int) -> Value:
    """Return the last value, or the one after "=" in its clause, with those offered beside it.

    A value after a preposition comes second: "72 clips in the 2 months".
    """
    main = [
        i
        for i, item in enumerate(items)
        if not _AFTER_PREPOSITION.search(tail, max(0, item.start - 30), item.start)
    ]
    index = main[-1] if main else len(items) - 1
    for earlier in range(index, -1, -1):
        if _CLAUSE_END.search(tail, items[earlier].end, items[index].start):
            break
        if tail[: items[earlier].start].rstrip().endswith("="):
            index = earlier
            break
    text = items[index].text
    while index:
        between = tail[items[index - 1].end : items[index].start]
        offered = offered_beside(between)
        if not offered and between.strip(" ,") != "and":
            break
        index -= 1
        text = f"{items[index].text} {'or' if offered else 'and'} {text}"
    last = items[-1].end
    return Value(text, exclaimed=tail[last : last + 1] == "!" and last + 1 >= end)
