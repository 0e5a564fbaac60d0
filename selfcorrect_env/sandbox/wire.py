"""Exchange of plain values between two processes without trust: tagged JSON in frames.

Only plain data cross, and the receiver rebuilds them from builtin types, so methods of the
sender's classes (``__eq__``, ``__reduce__`` …) have no effect on the other side. An object that is
not plain data crosses as a *handle*: the sender keeps the object in a list, and the handle is its
index there.

The format, in JSON:

- ``null``, booleans, strings, finite floats and integers below 2**53 in magnitude are themselves.
- Everything else is a list ``[tag, …]``, so a list has a tag as well: ``[1, (2.5,)]`` is
  ``["l", [1, ["t", [2.5]]]]``. ``"d"`` has pairs of key and value, which may be any values;
  ``"i"`` is a large integer in hexadecimal digits; ``"o"`` has a handle and a type name.
- A frame is the length of the JSON text in four bytes, big-endian, then the text.

Processes import this module without the rest of the package, so it uses the standard library only.
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
"""Maximum size of a frame in bytes; longer frames are rejected."""

JOB_SIZE = 8
"""Size in bytes of the identity of a job, which its start, its end and its verdict carry."""

DEEPEST = 200
"""Maximum nesting depth of containers."""

LONGEST_ITERATOR = 100_000
"""Maximum number of items of an iterator."""

_SMALL = 2**53


class WireError(Exception):
    """A value that cannot be encoded, or an invalid frame."""


def encode(value: Any, keep: Callable[[Any], int], depth: int = 0) -> Any:
    """Return JSON-serialisable data that represent ``value``.

    Instances of subclasses of builtin types cross as the builtin type. ``keep`` stores an object
    that is not plain data and returns its handle.

    Raises:
        WireError: the value is nested too deeply, or an iterator is too long.
    """
    kind = type(value)  # the fast path: most values have one of these types
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
        return str.__str__(value)  # not str(value), which a subclass can override
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
    """Return the value that `encode` turned into ``data``; the inverse of `encode`.

    ``handle(number, type name)`` returns the value of a handle.

    Raises:
        WireError: `encode` does not return such data.
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
        WireError: the frame is longer than `LARGEST_FRAME`.
        OSError: the other side has closed.
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
    """Read a frame, or return None if the other side has closed.

    Raises:
        WireError: the frame is invalid.
    """
    return _frame(lambda size: _read(descriptor, size))


class Line:
    """A descriptor from which only this process reads, and only frames.

    It reads as many bytes as are available and buffers the rest, so most frames take one system
    call.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._buffer = b""

    def send(self, message: Any) -> None:
        """Write a frame; see `send`."""
        send(self.descriptor, message)

    def receive(self) -> Any:
        """Read a frame; see `receive`."""
        return _frame(self._take)

    def _take(self, size: int) -> bytes | None:
        parts, missing = [self._buffer], size - len(self._buffer)
        while missing > 0:
            try:
                part = os.read(self.descriptor, min(max(missing, 1 << 16), 1 << 20))
            except ConnectionError:
                return None
            if not part:
                return None
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts) if len(parts) > 1 else self._buffer
        self._buffer = data[size:]
        return data[:size]


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
