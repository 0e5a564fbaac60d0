"""Values of any kind as JSON, and back: what a message of a bridge carries.

Immutable values are rebuilt (`values`), containers that can change are kept in step (`sharing`),
and everything else is a handle: the sender keeps the object, and the receiver has a proxy
(`proxies`). A class is described once, by its name, its special methods and its base classes.
"""

from __future__ import annotations

import builtins
import importlib
import re
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, CoroutineType, FunctionType, GeneratorType
from typing import Any

from selfcorrect_env.sandbox import classes, proxies, values
from selfcorrect_env.sandbox.proxies import Proxy, ProxyClass, new_proxy
from selfcorrect_env.sandbox.sharing import KINDS, TAGS, Containers
from selfcorrect_env.sandbox.values import BASES, BY_NAME, DECODERS, DEEPEST, ENCODERS, SMALL
from selfcorrect_env.sandbox.wire import WireError

MOST_CLASSES = 2000
"""Maximum number of classes of the other side."""


class Objects:
    """What one side of a bridge has sent and received.

    Args:
        bridge: what its proxies ask: has ``request``, ``known`` and ``trusting``.
        parity: 0 on one side and 1 on the other.
        trusting: whether the other side may redefine operations with plain data (`proxies`).
        running: makes a generator (``"g"``) or coroutine (``"a"``) of a proxy of one.
    """

    def __init__(
        self,
        bridge: Any,
        *,
        parity: int,
        trusting: bool,
        running: Callable[[str, Any], Any],
    ) -> None:
        self._bridge, self._trusting, self._running = bridge, trusting, running
        self._containers = Containers(parity)
        self._kept: list[Any] = []
        self._handles: dict[int, int] = {}
        self._given: set[int] = set()
        self._described: set[int] = set()
        self._new: list[int] = []
        self._of_objects: set[type] = set()
        self._theirs: dict[int, Any] = {}
        self._their_handles: dict[int, int] = {}
        self._classes: dict[int, Any] = {}

    def packed(self, items: tuple[Any, ...]) -> dict[str, Any]:
        """Return the part of a message that carries values.

        Raises:
            WireError: one of them cannot cross.
        """
        containers = self._containers
        containers.start()
        self._new = []
        try:
            message: dict[str, Any] = {"v": [self._encode(item) for item in items]}
            if containers.pending:
                message["h"] = list(containers.contents(self._encode))
        except BaseException as error:
            containers.forget_message()
            self._described.difference_update(self._new)
            self._of_objects.clear()
            if isinstance(error, RecursionError):
                raise WireError("a value is nested too deeply") from None
            raise
        if not self._trusting:  # one side decides
            dropped = containers.unused()
            if dropped:
                message["drop"] = dropped
        return message

    def unpacked(self, message: dict[str, Any]) -> list[Any]:
        """Return the values of a message.

        Raises:
            WireError: `packed` does not return such a message.
        """
        try:
            if "h" in message:
                self._containers.receive(message["h"], self._decode, self._container)
            found = [self._decode(item) for item in message["v"]]
            if "drop" in message:
                self._containers.drop(message["drop"])
            return found
        except WireError:
            raise
        except Exception as error:
            raise WireError(f"not a value: {type(error).__name__}") from None

    def is_given(self, value: Any) -> bool:
        """Return whether an object was sent as a value, not merely as the class of one."""
        return self._handles.get(id(value)) in self._given

    # -- sending -------------------------------------------------------------------------------
    def _encode(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if kind is int and -SMALL < value < SMALL:
            return value
        if kind is float and values.finite(value):
            return value
        tag = TAGS.get(kind)
        if tag is not None:
            return ["&", self._containers.number(value, tag)]
        if depth > DEEPEST:
            raise WireError(f"a value is nested more than {DEEPEST} deep")
        if kind in self._of_objects:
            return ["o", self._give(value), self._handles[id(kind)]]
        if kind is tuple:
            return ["t", [self._encode(item, depth + 1) for item in value]]
        encoder = ENCODERS.get(kind)
        if encoder is not None:
            return encoder(value, lambda item: self._encode(item, depth + 1))
        if isinstance(kind, ProxyClass):
            return self._encode_theirs(value, kind, depth)
        if isinstance(value, type):
            return self._encode_class(value)
        if isinstance(value, BaseException):
            return self._encode_exception(value, depth)
        return self._encode_other(value, kind, depth)

    def _encode_theirs(self, value: Any, kind: Any, depth: int) -> Any:
        if issubclass(kind, Proxy):
            return ["w", object.__getattribute__(value, "_handle")]
        for base, tag in TAGS.items():
            if issubclass(kind, base):
                return ["&", self._containers.number(value, tag)]
        if issubclass(kind, tuple):
            return ["N", value._number, [self._encode(item, depth + 1) for item in value]]
        return ["w", object.__getattribute__(value, "_handle")]

    def _encode_class(self, value: type) -> Any:
        if isinstance(value, ProxyClass):
            return ["w", value._number]
        if getattr(builtins, value.__name__, None) is value:
            return ["T", value.__name__]
        self._give(value)
        return ["K", self._description(value)]

    def _encode_exception(self, error: BaseException, depth: int) -> Any:
        try:
            arguments = [self._encode(item, depth + 1) for item in error.args]
        except WireError:
            arguments = []
        kind = self._encode_class(type(error))
        return ["e", kind, arguments, classes.described(error, name=False), self._give(error)]

    def _encode_other(self, value: Any, kind: type, depth: int) -> Any:
        if self._trusting and kind is FunctionType:  # nothing below is one
            return self._encode_object(value, kind)
        their_handle = self._their_handles.get(id(value))
        if their_handle is not None:
            return ["w", their_handle]
        named = BY_NAME.get((kind.__module__, kind.__name__))
        if named is not None:
            return named(value, self._encode)
        if kind.__module__ == "numpy" and hasattr(kind, "tobytes"):
            return self._encode_array(value, kind, depth)
        for base in BASES:
            if isinstance(value, base):
                plain = values.as_base(value, base)
                if base is tuple and hasattr(kind, "_fields"):
                    items = [self._encode(item, depth + 1) for item in plain]
                    return ["n", self._description(kind), items]
                return self._encode(plain, depth + 1)
        for base, tag in TAGS.items():
            if isinstance(value, base):
                return ["&", self._containers.number(value, tag, lambda: self._subclass(kind))]
        if isinstance(value, GeneratorType):
            return ["g", self._give(value)]
        if isinstance(value, CoroutineType):
            return ["a", self._give(value)]
        if not self._trusting and kind in (BuiltinFunctionType, FunctionType):
            module = getattr(value, "__module__", None) or ""
            found = getattr(sys.modules.get(module), value.__name__, None)
            if found is value and module.partition(".")[0] in sys.stdlib_module_names:
                return ["M", module, value.__name__]
        return self._encode_object(value, kind)

    def _encode_object(self, value: Any, kind: type) -> Any:
        description = self._description(kind)
        self._of_objects.add(kind)
        return ["o", self._give(value), description]

    def _encode_array(self, value: Any, kind: type, depth: int) -> Any:
        """Return a numpy array as its bytes, and a number of numpy as one of Python."""
        if kind.__name__ != "ndarray":
            return self._encode(value.item(), depth + 1)
        if value.dtype.kind not in "biufcSU":
            raise WireError(f"an array of {value.dtype} cannot cross")
        return ["A", value.dtype.str, list(value.shape), value.tobytes().hex()]

    def _subclass(self, kind: type) -> Any:
        """Return the description of a program's class of containers; None for a library's."""
        own = self._trusting and kind.__module__.partition(".")[0] not in sys.stdlib_module_names
        return self._description(kind) if own else None

    def _keep(self, value: Any) -> int:
        handle = self._handles.get(id(value))
        if handle is None:
            handle = len(self._kept)
            self._kept.append(value)
            self._handles[id(value)] = handle
        return handle

    def _give(self, value: Any) -> int:
        """Keep an object for which the other side may ask."""
        handle = self._keep(value)
        self._given.add(handle)
        return handle

    def _description(self, kind: type) -> Any:
        """Return the handle of a class, with a description of it the first time."""
        handle = self._keep(kind)
        if handle in self._described:
            return handle
        self._described.add(handle)
        self._new.append(handle)
        return [handle, kind.__name__, *classes.describe(kind, self._description)]

    # -- receiving -----------------------------------------------------------------------------
    def _decode(self, data: Any) -> Any:
        if type(data) is not list:
            if data is None or isinstance(data, bool | int | float | str):
                return data
            raise WireError("not a value")
        tag, *parts = data
        if tag == "&":
            return self._containers.find(parts[0])
        decoder = DECODERS.get(tag)
        if decoder is not None:
            return decoder(parts, self._decode)
        if tag == "w":
            return self._ours(parts[0])
        if tag == "o":
            return self._object(parts[0], lambda: new_proxy(self._class(parts[1]), parts[0]))
        if tag == "K":
            return self._class(parts[0])
        if tag == "n":
            return tuple.__new__(self._class(parts[0]), [self._decode(item) for item in parts[1]])
        if tag == "N":
            return self._tuple(*parts)
        if tag == "e":
            return self._object(parts[3], lambda: self._exception(*parts))
        if tag in ("g", "a"):
            return self._object(parts[0], lambda: self._run(tag, parts[0]))
        if tag == "A":
            return _array(*parts)
        if tag == "M" and self._trusting:
            return getattr(__import__(parts[0], fromlist=["_"]), parts[1])
        raise WireError(f"unknown tag {tag!r:.20}")

    def _ours(self, handle: Any) -> Any:
        if type(handle) is not int or not (self._trusting or handle in self._given):
            raise WireError("no such object")
        return self._kept[handle]

    def _tuple(self, handle: Any, items: list[Any]) -> Any:
        """Return a tuple of a class of this side."""
        kind = self._kept[handle] if self._trusting else self._ours(handle)
        if not isinstance(kind, type) or not issubclass(kind, tuple):
            raise WireError("no class of tuples")
        return tuple.__new__(kind, [self._decode(item) for item in items])

    def _object(self, handle: Any, make: Callable[[], Any]) -> Any:
        """Return the proxy for an object; the same one each time."""
        if type(handle) is not int:
            raise WireError("not a handle")
        found = self._theirs.get(handle)
        if found is None:
            found = self._theirs[handle] = make()
        return found

    def _run(self, tag: str, handle: int) -> Any:
        reference = ProxyClass("reference", (Proxy,), self._members(handle))
        running = self._running(tag, new_proxy(reference, handle))
        self._their_handles[id(running)] = handle
        return running

    def _exception(self, kind: Any, arguments: list[Any], text: str, handle: int) -> BaseException:
        kind = self._decode(kind)
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise WireError("an exception of a class that is none")
        arguments = [self._decode(item) for item in arguments]
        if isinstance(kind, ProxyClass):
            error: BaseException = kind.__new__(kind, *arguments)  # type: ignore[arg-type]
            error.args = tuple(arguments)
            error.__dict__.update(_handle=handle, _text=str(text))
            return error
        try:
            error = kind(*arguments)
        except Exception:
            error = kind.__new__(kind)
            error.args = (text,)
        return error

    def _members(self, handle: int) -> dict[str, Any]:
        members = {"__slots__": (), "_bridge": self._bridge, "_number": handle}
        return {**members, "__doc__": proxies.DOCSTRING}

    def _class(self, description: Any) -> Any:
        """Return the class here that stands for a class there."""
        if type(description) is int:
            found = self._classes.get(description)
            if found is None:
                raise WireError("no such class")
            return found
        handle, name, special, bases, builtin, fields = description
        if type(handle) is not int or not str(name).isidentifier():
            raise WireError("not a class")
        if len(self._classes) >= MOST_CLASSES:
            raise WireError(f"more than {MOST_CLASSES:,} classes")
        parents = [self._class(base) for base in bases]
        members = self._members(handle)
        trusting, known = self._trusting, name in self._bridge.known
        made = classes.make(
            name, (special, parents, builtin, fields), members, trusting=trusting, known=known
        )
        self._classes[handle] = made
        return made

    def _container(self, tag: str, description: Any = None) -> Any:
        """Return an empty container of a kind, or of a class of the other side."""
        kind = KINDS[tag] if description is None else self._class(description)
        if not issubclass(kind, KINDS[tag]):
            raise WireError("a container of another kind")
        return kind.__new__(kind)  # type: ignore[call-overload]


def _array(dtype: str, shape: list[int], content: str) -> Any:
    if not re.fullmatch(r"[<>|][biufcSU]\d{1,6}", dtype) or len(shape) > 32:
        raise WireError("not an array")
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        raise WireError("an array of numpy, which is not here") from None
    return numpy.frombuffer(bytes.fromhex(content), dtype).reshape(shape).copy()
