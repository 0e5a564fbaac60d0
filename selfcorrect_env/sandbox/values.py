"""Encoding of immutable values as JSON, and what a receiver rebuilds from it.

The receiver rebuilds values from types of the standard library, so methods of the sender's classes
(``__eq__``, ``__reduce__`` …) have no effect on the other side. ``null``, booleans, texts, finite
floats and integers below 2**53 in magnitude are themselves; everything else is ``[tag, …]``.
Containers that can change and objects of other classes are the bridge's (`bridge`).

What is rebuilt costs little: numbers have a largest size, and sets and dictionaries a largest
number of keys of one hash.
"""

from __future__ import annotations

import builtins
import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any

from selfcorrect_env.sandbox.wire import WireError

DEEPEST = 200
"""Maximum nesting depth of tuples and the like."""
MOST_BITS = 2**16
"""Maximum size of the parts of a fraction, which are reduced at a cost."""
MOST_COLLISIONS = 100
"""Maximum number of keys of a set or dictionary with the same hash."""

SMALL = 2**53

Inner = Callable[[Any], Any]

_ATOMS = {"...": ..., "NotImplemented": NotImplemented}

_PATHS = ("PosixPath", "PurePosixPath")

ENCODERS: dict[type, Callable[[Any, Inner], Any]] = {
    int: lambda value, inner: ["i", hex(value)],
    float: lambda value, inner: ["f", repr(value)],
    complex: lambda value, inner: ["c", repr(value.real), repr(value.imag)],
    bytes: lambda value, inner: ["b", value.hex()],
    tuple: lambda value, inner: ["t", [inner(item) for item in value]],
    frozenset: lambda value, inner: ["S", [inner(item) for item in value]],
    range: lambda value, inner: ["r", *map(inner, (value.start, value.stop, value.step))],
    slice: lambda value, inner: ["sl", *map(inner, (value.start, value.stop, value.step))],
    Fraction: lambda value, inner: ["q", hex(value.numerator), hex(value.denominator)],
    Decimal: lambda value, inner: ["D", str(value)],
    type(...): lambda value, inner: ["at", "..."],
    type(NotImplemented): lambda value, inner: ["at", "NotImplemented"],
    type({}.keys()): lambda value, inner: ["vk", [inner(key) for key in value]],
    type({}.values()): lambda value, inner: ["vv", [inner(item) for item in value]],
    type({}.items()): lambda value, inner: ["vi", [[*map(inner, pair)] for pair in value]],
    date: lambda value, inner: ["da", value.year, value.month, value.day],
    datetime: lambda value, inner: [
        "dt",
        *(value.year, value.month, value.day, value.hour, value.minute, value.second),
        *(value.microsecond, _zone(value.tzinfo, inner), value.fold),
    ],
    time: lambda value, inner: [
        "ti",
        *(value.hour, value.minute, value.second, value.microsecond),
        *(_zone(value.tzinfo, inner), value.fold),
    ],
    timedelta: lambda value, inner: ["de", value.days, value.seconds, value.microseconds],
    timezone: lambda value, inner: ["tz", inner(value.utcoffset(None)), value.tzname(None)],
}
"""How the values of a type are encoded; ``inner`` encodes a value in them."""

BY_NAME: dict[tuple[str, str], Callable[[Any, Inner], Any]] = {
    ("uuid", "UUID"): lambda value, inner: ["u", value.hex],
    **{
        ("pathlib", name): lambda value, inner: ["p", type(value).__name__, str(value)]
        for name in _PATHS
    },
}
"""The same for classes whose modules few programs import."""

BASES = (str, int, float, complex, bytes, tuple, frozenset, Decimal, Fraction)
"""Types whose subclasses cross as the type itself, so that nothing redefines their methods."""


def _zone(value: Any, inner: Inner) -> Any:
    if value is not None and type(value) is not timezone:
        raise WireError(f"a time zone of the class {type(value).__name__} cannot cross")
    return inner(value)


def as_base(value: Any, base: type) -> Any:
    """Return an instance of a subclass as an instance of the class, by its methods alone."""
    if base is str:
        return str.__str__(value)
    if base is int:
        return int.__index__(value)
    if base is float:
        return float.__float__(value)
    if base is tuple:
        return tuple(tuple.__iter__(value))
    if base is frozenset:
        return frozenset(frozenset.__iter__(value))
    if base is Fraction:
        return Fraction(value.numerator, value.denominator)
    return base(value)


DECODERS: dict[str, Callable[[list[Any], Inner], Any]] = {
    "i": lambda parts, inner: int(parts[0], 16),
    "f": lambda parts, inner: float(parts[0]),
    "c": lambda parts, inner: complex(float(parts[0]), float(parts[1])),
    "b": lambda parts, inner: bytes.fromhex(parts[0]),
    "t": lambda parts, inner: tuple([inner(item) for item in parts[0]]),
    "S": lambda parts, inner: frozenset(hashable([inner(item) for item in parts[0]])),
    "r": lambda parts, inner: range(*map(inner, parts)),
    "sl": lambda parts, inner: slice(*map(inner, parts)),
    "q": lambda parts, inner: _fraction(*parts),
    "D": lambda parts, inner: Decimal(parts[0]),
    "at": lambda parts, inner: _ATOMS[parts[0]],
    "vk": lambda parts, inner: dict.fromkeys(hashable([inner(key) for key in parts[0]])).keys(),
    "vv": lambda parts, inner: dict(enumerate(map(inner, parts[0]))).values(),
    "vi": lambda parts, inner: pairs([[*map(inner, pair)] for pair in parts[0]]).items(),
    "da": lambda parts, inner: date(*parts),
    "dt": lambda parts, inner: datetime(*parts[:7], tzinfo=inner(parts[7]), fold=parts[8]),
    "ti": lambda parts, inner: time(*parts[:4], tzinfo=inner(parts[4]), fold=parts[5]),
    "de": lambda parts, inner: timedelta(*parts),
    "tz": lambda parts, inner: timezone(inner(parts[0]), parts[1]),
    "u": lambda parts, inner: import_module("uuid").UUID(hex=parts[0]),
    "p": lambda parts, inner: _path(*parts),
    "T": lambda parts, inner: _builtin_type(parts[0]),
}
"""The inverses of `ENCODERS` by tag, and of the encoding of a builtin type."""


def finite(value: float) -> bool:
    """Return whether JSON has a number for a float."""
    return math.isfinite(value)


def hashable(keys: list[Any]) -> list[Any]:
    """Return the keys of a set or dictionary.

    Raises:
        WireError: so many have the same hash that the set would be slow.
    """
    if len(keys) > MOST_COLLISIONS:
        most = max(Counter(map(hash, keys)).values())
        if most > MOST_COLLISIONS:
            raise WireError(f"{most:,} keys have the same hash")
    return keys


def pairs(items: Iterable[Any]) -> dict[Any, Any]:
    """Return the dictionary with these items; see `hashable`."""
    items = list(items)
    hashable([key for key, _ in items])
    return dict(items)


def _fraction(numerator: str, denominator: str) -> Fraction:
    parts = int(numerator, 16), int(denominator, 16)
    if max(part.bit_length() for part in parts) > MOST_BITS:
        raise WireError(f"a fraction of more than {MOST_BITS:,} bits")
    return Fraction(*parts)


def _path(kind: str, text: str) -> Any:
    if kind not in _PATHS:
        raise WireError("not a path")
    return getattr(import_module("pathlib"), kind)(text)


def _builtin_type(name: str) -> type:
    found = getattr(builtins, name, None)
    if not isinstance(found, type):
        raise WireError(f"no builtin type {name!r:.40}")
    return found
