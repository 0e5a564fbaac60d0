"""The value of a reply that marks none as its answer: what its last sentence with a value says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selfcorrect_env.verifiers.math.commitment import (
    bounded,
    denied,
    modified,
    offered_beside,
    unsure,
)
from selfcorrect_env.verifiers.math.formulas import formulas
from selfcorrect_env.verifiers.math.sentence_items import Item, items_of, masked
from selfcorrect_env.verifiers.math.values import BOLD, Value, bold_values, joined

_BREAK = re.compile(r"[.!?](?=\s|$)|\n")
_MOST_SENTENCES, _MOST_ITEMS, _NEAR = 200, 50, 500
_CLAUSE_END = re.compile(r"[,;:]\s")


_DETERMINER = (
    r"(?:the|these|those|each|every|all|both|his|her|their|its|my|our)"
    r"(?: (?:other|last|first|next))?"
)
_GIVEN = re.compile(
    rf"\b(?:(?:in|for|over|on|after|within|during|from|per|with|among|out of)(?: {_DETERMINER})?"
    rf"|{_DETERMINER})[\s*$]*\Z",
    re.IGNORECASE,
)
"""What precedes a number that the question gives: "72 clips in the 2 months", "the 50 chairs"."""
_SUBORDINATE = re.compile(
    r"[^=]*\b(?:after|when|while|before|because|since|if|once|who|that)\s[A-Za-z][^=]*",
    re.IGNORECASE | re.DOTALL,
)
_PREMISE = re.compile(
    r"\W*(?:since|because|as|if|when|after|once|given)\b[^,]*(?:,\d[^,]*)*,\s", re.IGNORECASE
)
_NAME = r"(?:\\[a-z]+|[A-Za-z])(?:_\{?\w+\}?)?"
_CONDITION = re.compile(
    rf"[^=]*\b(?:when|where|if|at|for|once|given|with)\s+[$(\\]*\s*(?:{_NAME}\s*=\s*)?[$\s]*",
    re.IGNORECASE,
)
_ANOTHER_CONDITION = re.compile(rf"[\s$]*(?:,|,?\s*and)\s+[$(\\]*\s*(?:{_NAME}\s*=\s*)?[$\s]*")
_OF_A_NAME = re.compile(rf"\s*{_NAME}\s*=")
_NEW_CLAUSE = re.compile(
    r"[,;:]\s|=|\b(?:so|and|but|or|then|hence|thus|can|will|to|i|you|he|she|it|we|they)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?P<joint>.*?)\s*(?P<name>(?<![A-Za-z\\])[A-Za-z])\s*=\s*", re.DOTALL)


def concluded(tail: str) -> Value | None:
    """Return the value of the last sentence that has one: bold, else a formula, else a number.

    >>> concluded("She sells 9 eggs at $2 each. So she makes 9 * $2 = $18 every day.").text
    '18'
    """
    found, _ = formulas(tail)
    hidden = masked(tail, found)
    for start, end in _sentences_from_the_end(hidden):
        inside = [f for f in found if start <= f.start < end]
        items = items_of(hidden, inside, start, end)
        if premise := _PREMISE.match(tail, start, end):
            items = [item for item in items if item.start >= premise.end()] or items
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
        if not items or unsure(tail[start:end]):
            return None
        return _chosen(tail, items, start, end)
    return None


def _sentences_from_the_end(hidden: str) -> Iterator[tuple[int, int]]:
    ends = [found.end() for found in _BREAK.finditer(hidden)]
    borders = [0, *ends, len(hidden)][-_MOST_SENTENCES:]
    for start, end in zip(borders[-2::-1], borders[:0:-1], strict=True):
        if hidden[start:end].strip():
            yield start, end


def _bold(tail: str, start: int, end: int) -> Value | None:
    """Return the last bold value of a sentence that it does not deny, with those joined to it."""
    for found in reversed(list(BOLD.finditer(tail, start, end))):
        values = bold_values(tail[start : found.end()])
        before, after = tail[start : found.start()], tail[found.end() :]
        if values and not (denied(before, after) or modified(before) or bounded(before, after)):
            return joined(values)
    return None


def _chosen(tail: str, items: list[Item], start: int, end: int) -> Value | None:
    """Return the main value of a sentence, with those offered beside it; None if it is a bound."""
    index = _main(tail, items, start)
    for earlier in range(index, -1, -1):
        if _CLAUSE_END.search(tail, items[earlier].end, items[index].start):
            break
        if tail[: items[earlier].start].rstrip().endswith("="):
            index = earlier
            break
    first, text = _with_those_beside(tail, items, index, start)
    before = tail[start : items[first].start]
    if modified(before) or bounded(before, tail[items[index].end : end]):
        return None
    if not all(item.readable for item in items[first : index + 1]):
        return None
    last = items[-1].end
    return Value(text, exclaimed=tail[last : last + 1] == "!" and last + 1 >= end)


def _main(tail: str, items: list[Item], start: int) -> int:
    """Return the index of the last value that the sentence does not give as known.

    Known are values after a preposition or a determiner, and those in a subordinate clause behind
    another value. The only amount of money of the last clause precedes other numbers.
    """
    new = [
        i
        for i, item in enumerate(items)
        if not _GIVEN.search(tail, max(start, item.start - 30), item.start)
    ]
    while len(new) > 1 and _SUBORDINATE.fullmatch(tail, items[new[-2]].end, items[new[-1]].start):
        new.pop()
    if new:
        free = _unconditional(tail, items, new[-1])
        new = [i for i in new if i < free] or new
    new = new or list(range(len(items)))
    paid = [i for i in new if items[i].money]
    if len(paid) == 1 and not _NEW_CLAUSE.search(tail, items[paid[0]].end, items[new[-1]].start):
        return paid[0]
    return new[-1]


def _unconditional(tail: str, items: list[Item], last: int) -> int:
    """Return the number of values before a condition that ends with one: "5 when x = 2"."""
    for index in range(last, 0, -1):
        between = tail[items[index - 1].end : items[index].start]
        if "=" not in between and not _OF_A_NAME.match(items[index].text):
            break
        if _CONDITION.fullmatch(between):
            return index
        if not _ANOTHER_CONDITION.fullmatch(between):
            break
    return last + 1


def _with_those_beside(tail: str, items: list[Item], index: int, start: int) -> tuple[int, str]:
    """Return the index of the first value of the list that a value ends, and the whole list."""
    text, name = items[index].text, ""
    while index:
        between = tail[items[index - 1].end : items[index].start]
        named = _NAMED.fullmatch(between)
        joint = named["joint"] if named else between
        offered = offered_beside(joint)
        if not offered and joint.strip(" ,") not in (("and", "") if named else ("and",)):
            break
        if named:
            text, name = f"{named['name']} = {text}", named["name"]
        index -= 1
        text = f"{items[index].text} {'or' if offered else 'and'} {text}"
    before = _NAMED.fullmatch(tail, start, items[index].start) if name else None
    return index, f"{before['name']} = {text}" if before else text
