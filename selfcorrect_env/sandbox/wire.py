"""Plain values between two processes that don't trust each other: tagged JSON in frames.

Only plain data cross, and are rebuilt from the builtin types on the other side: nothing that the
sender's classes say about themselves (``__eq__``, ``__reduce__`` …) arrives. What is no plain
data crosses as a *handle*, a number by which the sender finds its object again.

This module is read by processes that hold nothing but the standard library.
"""

from __future__ import annotations

import builtins
import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

LARGEST_FRAME = 16 * 2**20
"""Bytes of a frame; a longer one is not read."""

DEEPEST = 200
"""Containers inside one another; deeper values don't cross."""

LONGEST_ITERATOR = 100_000
"""Items of an iterator; a longer one does not cross."""

_SMALL = 2**53


class WireError(Exception):
    """A value that cannot cross, or a frame that is none."""


def encode(value: Any, keep: Callable[[Any], int], depth: int = 0) -> Any:
    """Return JSON-able data that stand for ``value``.

    Subclasses of builtin types cross as those types. ``keep`` stores an object that is no plain
    data and returns its handle.

    Raises:
        WireError: the value is nested too deeply, or an iterator has no end in sight.
    """
    kind = type(value)  # most values are of these kinds
    if kind is str or (kind is int and -_SMALL < value < _SMALL):
        return value
    if depth > DEEPEST:
        raise WireError(f"a value is nested more than {DEEPEST} deep")
    if kind is list or kind is tuple:
        tag = "l" if kind is list else "t"
        return [tag, [encode(item, keep, depth + 1) for item in value]]
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_SMALL < number < _SMALL else ["i", hex(number)]
    if isinstance(value, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else ["f", float.__repr__(number)]
    if isinstance(value, complex):
        parts = (value.real, value.imag)
        return ["c", *(float.__repr__(float(part)) for part in parts)]
    if isinstance(value, bytes | bytearray):
        return ["b" if isinstance(value, bytes) else "B", bytes(value).hex()]
    for tag, kind in _SEQUENCES.items():
        if isinstance(value, kind):
            return [tag, [encode(item, keep, depth + 1) for item in kind.__iter__(value)]]
    if isinstance(value, dict):
        items = [[encode(part, keep, depth + 1) for part in pair] for pair in dict.items(value)]
        return ["d", items]
    if isinstance(value, range):
        return ["r", *(encode(part, keep) for part in (value.start, value.stop, value.step))]
    if isinstance(value, Fraction):
        return ["q", f"{value.numerator}/{value.denominator}"]
    if isinstance(value, Decimal):
        return ["D", Decimal.__str__(value)]
    if isinstance(value, Iterator):
        items = list(islice(value, LONGEST_ITERATOR + 1))
        if len(items) > LONGEST_ITERATOR:
            raise WireError(f"an iterator yields more than {LONGEST_ITERATOR} items")
        return ["n", [encode(item, keep, depth + 1) for item in items]]
    if isinstance(value, type) and getattr(builtins, value.__name__, None) is value:
        return ["T", value.__name__]
    return ["o", keep(value), type(value).__name__]


_SEQUENCES: dict[str, Any] = {
    "l": list,
    "t": tuple,
    "s": set,
    "S": frozenset,
    "Q": deque,
}

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "i": lambda text: int(text, 16),
    "f": float,
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "q": Fraction,
    "D": Decimal,
    "T": lambda name: _builtin_type(name),
}


def decode(data: Any, handle: Callable[[int, str], Any]) -> Any:
    """Return the value that `encode` made ``data`` of; ``handle(number, type name)`` for handles.

    Raises:
        WireError: the data are not what `encode` returns.
    """
    try:
        return _decode(data, handle)
    except WireError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError, IndexError) as error:
        raise WireError(f"not a value: {type(error).__name__}") from None


def _decode(data: Any, handle: Callable[[int, str], Any]) -> Any:
    if not isinstance(data, list):
        if data is None or isinstance(data, bool | int | float | str):
            return data
        raise WireError("not a value")
    tag, *parts = data
    if tag in _DECODERS:
        return _DECODERS[tag](parts[0])
    if tag == "o":
        number, name = parts
        if isinstance(number, int) and isinstance(name, str):
            return handle(number, name)
        raise WireError("not a handle")
    if tag == "c":
        return complex(float(parts[0]), float(parts[1]))
    if tag == "r":
        return range(*(_decode(part, handle) for part in parts))
    if tag == "d":
        return {_decode(key, handle): _decode(value, handle) for key, value in parts[0]}
    items = (_decode(item, handle) for item in parts[0])
    if tag == "n":
        return iter(list(items))
    return _SEQUENCES[tag](items) if tag in _SEQUENCES else _unknown(tag)


def _builtin_type(name: str) -> type:
    found = getattr(builtins, name, None)
    if not isinstance(found, type):
        raise WireError(f"no builtin type {name!r:.40}")
    return found


def _unknown(tag: Any) -> Any:
    raise WireError(f"unknown tag {tag!r:.20}")


def send(descriptor: int, message: Any) -> None:
    """Write a frame: its length in four bytes, then JSON.

    Raises:
        WireError: it is longer than `LARGEST_FRAME`.
        OSError: nobody reads.
    """
    content = json.dumps(message).encode()
    if len(content) > LARGEST_FRAME:
        raise WireError(f"a message of {len(content):,} bytes; at most {LARGEST_FRAME:,} cross")
    frame = len(content).to_bytes(4, "big") + content
    written = os.write(descriptor, frame)
    rest = memoryview(frame)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> Any:
    """Read a frame, or return None where the other side has closed.

    Raises:
        WireError: what arrives is no frame.
    """
    return _frame(lambda size: _read(descriptor, size))


class Line:
    """A descriptor of which this process alone reads, and nothing but frames.

    It reads as much as is there, so most frames take one system call.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._held = b""

    def send(self, message: Any) -> None:
        """Write a frame, as `send`."""
        send(self.descriptor, message)

    def receive(self) -> Any:
        """Read a frame, as `receive`."""
        return _frame(self._take)

    def _take(self, size: int) -> bytes | None:
        parts, missing = [self._held], size - len(self._held)
        while missing > 0:
            try:
                part = os.read(self.descriptor, min(max(missing, 1 << 16), 1 << 20))
            except ConnectionError:
                return None
            if not part:
                return None
            parts.append(part)
            missing -= len(part)
        held = b"".join(parts) if len(parts) > 1 else self._held
        self._held = held[size:]
        return held[:size]


def _frame(read: Callable[[int], bytes | None]) -> Any:
    head = read(4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > LARGEST_FRAME:
        raise WireError(f"a frame of {length:,} bytes; at most {LARGEST_FRAME:,} are read")
    content = read(length)
    if content is None:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise WireError("a frame that is not JSON") from None


def _read(descriptor: int, size: int) -> bytes | None:
    parts, missing = [], size
    while missing:
        try:
            part = os.read(descriptor, min(missing, 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
