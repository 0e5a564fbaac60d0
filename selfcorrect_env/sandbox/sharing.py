"""Containers that both sides of a bridge have: the same list here and there, kept in step.

A list that crosses has a number from then on. Each message carries the contents of the containers
that changed since the last one, so what a function does to its arguments is seen on the other
side, and a list that comes back is the list that was sent. Whether a container changed is found by
comparing its items with a copy, by identity.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import chain
from operator import is_
from typing import Any

from selfcorrect_env.sandbox.values import SMALL, hashable, pairs
from selfcorrect_env.sandbox.wire import WireError

TAGS: dict[type, str] = {
    list: "l",
    dict: "d",
    set: "s",
    deque: "Q",
    bytearray: "B",
    Counter: "C",
    OrderedDict: "O",
    defaultdict: "F",
}
"""Types of containers that can change, with their tags."""

KINDS = {tag: kind for kind, tag in TAGS.items()}
"""The types of `TAGS` by tag."""
_ATOMS = (int, str, float)
_MAPPINGS = frozenset("dCOF")
_UNUSED = 2  # references to a container that only its entry has: the entry's and getrefcount's


class Entry:
    """A shared container."""

    __slots__ = ("description", "seen", "tag", "value")

    def __init__(self, value: Any, tag: str, description: Any = None) -> None:
        self.value, self.tag = value, tag
        self.description = description
        """The class of the container, if it is not a type of `TAGS`."""
        self.seen: tuple[Any, ...] | None = None
        """The items at the last message; None if they have to be sent."""

    def look(self) -> tuple[Any, ...]:
        """Return the items of the container, with the keys of a mapping before them."""
        if self.tag in _MAPPINGS:
            return tuple(chain(dict.keys(self.value), dict.values(self.value)))
        return tuple(self.value)

    def changed(self) -> bool:
        """Return whether the items are others than at the last message."""
        seen = self.seen
        if seen is None:
            return True
        value = self.value
        if self.tag in _MAPPINGS:
            size = 2 * len(value)
            items: Any = chain(dict.keys(value), dict.values(value))
        else:
            size, items = len(value), value
        return size != len(seen) or not all(map(is_, items, seen))


class Containers:
    """The containers that one side of a bridge shares with the other.

    Args:
        parity: 0 or 1: the remainder by 2 of the numbers that this side gives.
    """

    def __init__(self, parity: int) -> None:
        self._next = parity
        self._entries: dict[int, Entry] = {}
        self._numbers: dict[int, int] = {}
        self.pending: list[int] = []
        """The numbers of the containers that are sent with this message."""
        self._new: list[int] = []

    def number(self, value: Any, tag: str, describe: Callable[[], Any] | None = None) -> int:
        """Return the number of a container; one that is new is sent with this message."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._next
            self._next += 2
            self._add(number, Entry(value, tag, describe and describe()))
            self.pending.append(number)
            self._new.append(number)
        return number

    def find(self, number: int) -> Any:
        """Return the container with a number; `WireError` if there is none."""
        entry = self._entries.get(number)
        if entry is None:
            raise WireError("no such container")
        return entry.value

    def start(self) -> None:
        """Start a message: the containers that changed are sent with it."""
        self._new = []
        self.pending = [number for number, entry in self._entries.items() if entry.changed()]

    def contents(self, encode: Callable[[Any], Any]) -> Iterator[list[Any]]:
        """Yield the number, the tag and the contents of each container to send."""
        for number in self.pending:  # encoding contents may add to it
            entry = self._entries[number]
            entry.seen = entry.look()
            described = [] if entry.description is None else [entry.description]
            yield [number, entry.tag, _encoded(entry, encode), *described]

    def forget_message(self) -> None:
        """Undo `start`: the message could not be encoded."""
        for number in self.pending:
            self._entries[number].seen = None
        self.drop(self._new)

    def receive(
        self, contents: list[Any], decode: Callable[[Any], Any], make: Callable[..., Any]
    ) -> None:
        """Take over the contents that the other side sent.

        Args:
            contents: what `contents` yielded there.
            decode: decodes a value.
            make: returns an empty container of a kind, of the class with a description if any.
        """
        for number, tag, _, *described in contents:
            entry = self._entries.get(number)
            if entry is None:
                if not isinstance(number, int) or number % 2 == self._next % 2:
                    raise WireError("a container with a number of the other side")
                self._add(number, Entry(make(tag, *described[:1]), tag))
            elif entry.tag != tag:
                raise WireError("a container of another kind")
        for number, _, items, *_ in contents:
            entry = self._entries[number]
            _fill(entry, items, decode)
            entry.seen = entry.look()

    def unused(self) -> list[int]:
        """Drop the containers that nothing else on this side refers to; return their numbers."""
        if not self._entries:
            return []
        dropped = [
            number
            for number, entry in self._entries.items()
            if sys.getrefcount(entry.value) <= _UNUSED
        ]
        self.drop(dropped)
        return dropped

    def drop(self, numbers: list[int]) -> None:
        """Share these containers no longer."""
        for number in numbers:
            entry = self._entries.pop(number, None)
            if entry is not None:
                del self._numbers[id(entry.value)]

    def _add(self, number: int, entry: Entry) -> None:
        self._entries[number] = entry
        self._numbers[id(entry.value)] = number


def _encoded(entry: Entry, encode: Callable[[Any], Any]) -> Any:
    value = entry.value
    if entry.tag in _MAPPINGS:
        items = [[encode(key), encode(item)] for key, item in dict.items(value)]
        return [encode(value.default_factory), items] if entry.tag == "F" else items
    if entry.tag == "B":
        return bytes(value).hex()
    return [
        item if type(item) is str or (type(item) is int and -SMALL < item < SMALL) else encode(item)
        for item in entry.seen or ()
    ]


def _fill(entry: Entry, contents: Any, decode: Callable[[Any], Any]) -> None:
    value, tag = entry.value, entry.tag
    if tag == "l":
        value[:] = [item if type(item) in _ATOMS else decode(item) for item in contents]
    elif tag == "B":
        value[:] = bytes.fromhex(contents)
    elif tag in _MAPPINGS:
        if tag == "F":
            value.default_factory = decode(contents[0])
            contents = contents[1]
        items = pairs([decode(key), decode(item)] for key, item in contents)
        dict.clear(value)
        for key, item in items.items():
            dict.__setitem__(value, key, item) if tag != "O" else value.__setitem__(key, item)
    else:
        items = [decode(item) for item in contents]
        value.clear()
        value.update(hashable(items)) if tag == "s" else value.extend(items)
