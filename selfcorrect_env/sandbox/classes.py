"""Classes and exceptions of one side of a bridge, as the other side has them."""

from __future__ import annotations

import builtins
import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from selfcorrect_env.sandbox import proxies
from selfcorrect_env.sandbox.proxies import ErrorProxy, Proxy, ProxyClass
from selfcorrect_env.sandbox.sharing import KINDS, TAGS

LONGEST_TEXT = 500
"""Maximum length of the text that describes an exception."""


_IMMUTABLE = 1 << 8
"""Py_TPFLAGS_IMMUTABLETYPE, in the flags of a class: no attribute of it can be set."""


def describe(kind: type, inner: Callable[[type], Any]) -> list[Any]:
    """Return what the other side has to know of a class beside its name.

    Args:
        kind: the class.
        inner: describes a base class.

    Returns:
        Its special methods; its base classes; the name of its builtin base class, or the tag of its
        kind of container; the fields of a named tuple, or the methods that a container overrides.
    """
    if kind.__flags__ & _IMMUTABLE and kind.__bases__ == (object,):  # such as that of functions
        return list(_description_of_immutable(kind))
    return _description(kind, inner)


@functools.cache
def _description_of_immutable(kind: type) -> list[Any]:
    return _description(kind, lambda base: base)


def _description(kind: type, inner: Callable[[type], Any]) -> list[Any]:
    own = [
        inner(base)
        for base in kind.__bases__
        if getattr(builtins, base.__name__, None) is not base
        and base not in TAGS
        and not isinstance(base, ProxyClass)
    ]
    builtin = next(
        (b.__name__ for b in kind.__mro__ if getattr(builtins, b.__name__, None) is b), "object"
    )
    special = proxies.special_methods(kind)
    fields = [str(name) for name in getattr(kind, "_fields", ())]
    base = next((base for base in (tuple, *TAGS) if issubclass(kind, base)), object)
    if base is not object:
        special = [name for name in special if proxies.differs(kind, base, name)]
    if base in TAGS:
        builtin = TAGS[base]
        fields = [n for n in dir(base) if n[0] != "_" and proxies.differs(kind, base, n)]
    return [special, own, builtin, fields]


def make(
    name: str, description: tuple[Any, ...], members: dict[str, Any], *, trusting: bool, known: bool
) -> Any:
    """Return the class that stands for a class of the other side.

    Args:
        name: its name.
        description: what `describe` returned there, with base classes of this side.
        members: what every such class has.
        trusting: whether the other side may redefine operations with plain data.
        known: whether the tests know the class.
    """
    special, parents, builtin, fields = description
    base = getattr(builtins, builtin, object)
    if builtin in KINDS or builtin == "tuple":
        del members["__doc__"]
        members.update(proxies.value_methods(special, fields if builtin in KINDS else []))
        base = KINDS[builtin] if builtin in KINDS else namedtuple(name, fields)
        return ProxyClass(name, (base,), members)
    if isinstance(base, type) and issubclass(base, BaseException):
        errors = [parent for parent in parents if issubclass(parent, BaseException)]
        del members["__slots__"]
        return ProxyClass(name, tuple(errors) or (ErrorProxy, base), members)
    objects = [parent for parent in parents if issubclass(parent, Proxy)]
    members.update(_special_methods(special, trusting=trusting, known=known))
    return ProxyClass(name, tuple(objects) or (Proxy,), members)


def _special_methods(names: list[str], *, trusting: bool, known: bool) -> dict[str, Any]:
    found = {}
    for name in names:
        if name in proxies.SPECIAL:
            method = proxies.method(name, trusting=trusting, known=known)
            if method is not None:
                found[name] = method
    if "__eq__" in found and "__hash__" not in found:
        found["__hash__"] = Proxy.__hash__
    return found


def described(error: BaseException, *, name: bool = True) -> str:
    """Return the text of an exception, with its class if ``name``."""
    try:
        text = f"{type(error).__name__}: {error}" if name else str(error)
    except BaseException:
        text = type(error).__name__
    return text[:LONGEST_TEXT]
