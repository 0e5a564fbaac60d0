"""Proxies: how one side of a bridge uses objects and classes of the other side.

A class of the other side is a class here (its metaclass is `ProxyClass`), with those special
methods that it has there, so ``isinstance``, ``len``, ``in``, ``+`` and ``with`` behave as there.
Each of them is a request.

A program must not pass a test by redefining an operation that the test applies to plain data, so
on the tests' side (`Bridge.trusting` is false):

- an object of the program is never equal to plain data, and not ordered with it;
- arithmetic of an object with plain data gives an object, which never becomes plain data;
- ``in`` asks an object only if the tests know its class; else it goes through its items.

Two objects of the program are compared, ordered and combined as their class says.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
ARITHMETIC = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift"),
    *("and", "or", "xor", "divmod"),
)
CONVERSIONS = ("abs", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil")
UNARY = ("neg", "pos", "invert")
PLAIN = (
    *("len", "str", "repr", "bool", "hash", "iter", "next", "reversed", "format", "bytes"),
    *("getitem", "setitem", "delitem", "contains", "enter", "exit", "length_hint"),
)
"""Operations by the name of their special method, without the underscores."""

SPECIAL = tuple(
    f"__{name}__"
    for name in (
        *COMPARISONS,
        *ARITHMETIC,
        *(f"r{name}" for name in ARITHMETIC),
        *(f"i{name}" for name in ARITHMETIC if name != "divmod"),
        *CONVERSIONS,
        *UNARY,
        *PLAIN,
        "call",
    )
)
"""The special methods that a proxy may have."""

_OF_EVERY_OBJECT = frozenset(
    f"__{name}__" for name in (*COMPARISONS, "str", "repr", "hash", "format")
)


def differs(kind: type, base: type, name: str) -> bool:
    """Return whether a class has another method of this name than one of its base classes."""
    return getattr(kind, name, None) is not getattr(base, name, None)


def special_methods(kind: type) -> list[str]:
    """Return the special methods of a class, without those that every object has."""
    found = []
    for name in SPECIAL:
        method = getattr(kind, name, None)
        if method is None:
            if name == "__hash__":
                found.append(name)  # it cannot be hashed
        elif name not in _OF_EVERY_OBJECT or method is not getattr(object, name):
            found.append(name)
    return found


class ProxyClass(type):
    """The metaclass of classes of the other side."""

    _bridge: Any
    _number: int

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        """Make an instance on the other side."""
        return cls._bridge.request("call", cls, arguments, *_given(keywords))

    def __getattr__(cls, name: str) -> Any:
        """Return an attribute of the class on the other side."""
        if name.startswith("_") and name not in ("__members__", "_fields", "_asdict", "_make"):
            raise AttributeError(name)
        return cls._bridge.request("getattr", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        """Set an attribute of the class on the other side."""
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            cls._bridge.request("setattr", cls, name, value)

    def __iter__(cls) -> Any:
        """Return an iterator of the class itself, such as an enumeration."""
        return cls._bridge.request("iter", cls)

    def __len__(cls) -> int:
        """Return the length of the class itself, such as an enumeration."""
        return cls._bridge.request("len", cls)

    def __bool__(cls) -> bool:
        """Return True: a class is true."""
        return True

    def __getitem__(cls, key: Any) -> Any:
        """Return an item of the class itself, such as an enumeration."""
        return cls._bridge.request("getitem", cls, key)

    def __new__(
        mcs, name: str, bases: tuple[type, ...], names: dict[str, Any], **keywords: Any
    ) -> Any:
        """Make the proxy of a class; for a class statement here, derive a class there."""
        if "_number" in names or not any(isinstance(base, ProxyClass) for base in bases):
            return super().__new__(mcs, name, bases, names)
        bridge = next(base._bridge for base in bases if isinstance(base, ProxyClass))
        if bridge is None:
            return super().__new__(mcs, name, bases, names)
        cell = names.pop("__classcell__", None)
        members = {k: v for k, v in names.items() if k not in ("__module__", "__qualname__")}
        derived = bridge.request("derive", name, bases, members)
        if cell is not None:
            cell.cell_contents = derived
        return derived

    def __init__(cls, *arguments: Any, **keywords: Any) -> None:
        pass


class Proxy(metaclass=ProxyClass):
    """An object of the other side."""

    __slots__ = ("__weakref__", "_handle", "_mixed")

    _bridge: Any = None
    _handle: int
    _mixed: bool
    """Whether the object comes from arithmetic with plain data of this side."""

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the object."""
        if name == "_mixed":
            return False
        if name == "__signature__":
            return self._bridge.signature(self)
        return self._bridge.request("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the object."""
        self._bridge.request("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete an attribute of the object."""
        self._bridge.request("delattr", self, name)

    def __dir__(self) -> Any:
        """Return the names of the object's attributes."""
        return self._bridge.request("dir", self)

    def __copy__(self) -> Any:
        """Return a copy that the other side makes."""
        return self._bridge.request("copy", self)

    def __deepcopy__(self, memo: Any) -> Any:
        """Return a deep copy that the other side makes."""
        return self._bridge.request("deepcopy", self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the program>"

    def __str__(self) -> str:
        return self._bridge.request("str", self)


DOCSTRING = property(lambda proxy: proxy._bridge.request("getattr", proxy, "__doc__"))
"""``__doc__`` of a proxy; each class needs its own, or has None."""


class ErrorProxy(metaclass=ProxyClass):
    """What exceptions of classes of the other side have beside their builtin base class."""

    _bridge: Any = None
    _handle: int
    _text: str

    def __str__(self) -> str:
        return self._text

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the exception."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self._bridge.request("getattr", self, name)


def new_proxy(kind: type, handle: int, *, mixed: bool = False) -> Any:
    """Return a proxy of a class for the object with this handle."""
    proxy = object.__new__(kind)
    object.__setattr__(proxy, "_handle", handle)
    object.__setattr__(proxy, "_mixed", mixed)
    return proxy


def method(name: str, *, trusting: bool, known: bool) -> Any:
    """Return the special method of a proxy class, or None if it has to do without.

    Args:
        name: its name, with underscores.
        trusting: whether the other side may redefine operations with plain data.
        known: whether the tests know the class.
    """
    short = name.strip("_")
    if short == "call":
        return lambda self, *arguments, **keywords: self._bridge.request(
            "call", self, arguments, *_given(keywords)
        )
    if trusting or (short in PLAIN and short not in ("bool", "contains")):
        return _asking(name)
    if short == "contains":
        return _asking(name) if known else None
    if short in COMPARISONS:
        return _comparison(name)
    if short in CONVERSIONS or short == "bool":
        return _conversion(name)
    return _arithmetic(name)


def _given(keywords: dict[str, Any]) -> tuple[Any, ...]:
    """Return keyword arguments as an argument, if there are any: a dictionary would be shared."""
    return (tuple(keywords.items()),) if keywords else ()


def _asking(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: self._bridge.request("special", self, name, *arguments)


def _comparison(name: str) -> Callable[..., Any]:
    def compare(self: Any, other: Any) -> Any:
        if not isinstance(other, Proxy):
            return NotImplemented
        return self._bridge.request("special", self, name, other)

    return compare


def _conversion(name: str) -> Callable[..., Any]:
    def convert(self: Any, *arguments: Any) -> Any:
        if self._mixed:
            raise TypeError("an object combined with plain data does not become plain data")
        return self._bridge.request("special", self, name, *arguments)

    return convert


def _arithmetic(name: str) -> Callable[..., Any]:
    def combine(self: Any, *others: Any) -> Any:
        result = self._bridge.request("special", self, name, *others)
        mixed = self._mixed or any(not isinstance(o, Proxy) or o._mixed for o in others)
        if not mixed or result is NotImplemented:
            return result
        if not isinstance(result, Proxy):
            raise TypeError("an object combined with plain data gave plain data")
        return new_proxy(type(result), result._handle, mixed=True)

    return combine


def value_methods(special: list[str], methods: list[str]) -> dict[str, Any]:
    """Return what a program's class of tuples or of containers has beside its data.

    Its data are compared and read here; methods that it defines or overrides, arithmetic and texts
    are asked for.

    Args:
        special: the special methods that it overrides.
        methods: the methods of its builtin base class that it overrides.
    """
    found: dict[str, Any] = {"__getattr__": _ask_attribute}
    for name in methods:
        found[name] = _asking_method(name)
    for name in special:
        if name in ("__str__", "__repr__", "__format__", "__enter__", "__exit__"):
            found[name] = _asking(name)
        elif name == "__call__":
            found[name] = method(name, trusting=False, known=False)
        elif name.strip("_").lstrip("ri") in ARITHMETIC or name.strip("_") in ARITHMETIC:
            found[name] = _value_arithmetic(name)
    return found


def _ask_attribute(self: Any, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(self)._bridge.request("getattr", self, name)


def _asking_method(name: str) -> Callable[..., Any]:
    return lambda self, *arguments, **keywords: type(self)._bridge.request(
        "method", self, name, arguments, *_given(keywords)
    )


def _value_arithmetic(name: str) -> Callable[..., Any]:
    def combine(self: Any, *others: Any) -> Any:
        result = type(self)._bridge.request("special", self, name, *others)
        theirs = [isinstance(type(value), ProxyClass) for value in (result, *others)]
        if theirs[0] or all(theirs[1:]) or result is NotImplemented:
            return result
        raise TypeError("an object combined with plain data gave plain data")

    return combine


OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda target, arguments, keywords=(): target(*arguments, **dict(keywords)),
    "method": lambda target, name, arguments, keywords=(): getattr(target, name)(
        *arguments, **dict(keywords)
    ),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "special": lambda target, name, *arguments: getattr(type(target), name)(target, *arguments),
    "iter": iter,
    "next": next,
    "len": len,
    "str": str,
    "dir": dir,
    "getitem": operator.getitem,
    "send": lambda target, value: target.send(value),
    "throw": lambda target, error: target.throw(error),
    "close": lambda target: target.close(),
}
"""What one side asks of the other, by name. The first argument is an object of the other side."""
