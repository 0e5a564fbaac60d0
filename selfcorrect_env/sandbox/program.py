"""The untrusted side of the sandbox: runs a program, then serves calls of its functions.

No verdict is decided here. The program can modify everything in this process: everything it sends
is treated as a value that it returned.
"""

from __future__ import annotations

import socket
import sys
import types
from typing import Any

from selfcorrect_env.sandbox import wire

MODULE = "solution"
"""The ``__name__`` of the program; its ``__main__`` block is not run."""


def serve(source: str, peer: int) -> None:
    """Run ``source``, report whether it succeeded, and serve calls on the descriptor ``peer``."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(compile(source, "<program>", "exec"), module.__dict__)
    except BaseException as error:
        wire.send(peer, {"failed": _describe(error)})
        return
    wire.send(peer, {"ready": True})
    _Server(module, peer).run()


def warm_up(times: int = 20) -> None:
    """Serve a small program of our own, so that forked processes inherit specialised bytecode.

    Python specialises bytecode while it runs; otherwise each forked process would start cold.
    """
    arguments = wire.encode(([1, 0.5, "a", None, True], ("b", {"c": [2]}), {3}), len)
    request = {"name": "f", "call": True, "arguments": arguments, "keywords": wire.encode({}, len)}
    for _ in range(times):
        asking, serving = socket.socketpair()
        with asking, serving:
            line = wire.Line(asking.fileno())
            for _ in range(10):
                line.send(request)
            asking.shutdown(socket.SHUT_WR)
            serve("def f(x, y, z):\n    return x, y, z\n", serving.fileno())
    sys.modules.pop(MODULE, None)


class _Server:
    """Serves requests in order."""

    def __init__(self, module: types.ModuleType, peer: int) -> None:
        self.names = module.__dict__
        self.line = wire.Line(peer)
        self.kept: list[Any] = []

    def run(self) -> None:
        while (request := self.line.receive()) is not None:
            try:
                self.line.send({"value": wire.encode(self.answer(request), self.keep)})
            except BaseException as error:
                self.line.send({"raised": type(error).__name__, "text": _describe(error)})

    def answer(self, request: dict[str, Any]) -> Any:
        if "name" in request:
            if request["name"] not in self.names:
                raise NameError(f"the program defines no {request['name']!r}")
            target = self.names[request["name"]]
        else:
            target = self.kept[request["handle"]]
            if "set" in request:
                value = wire.decode(request["set"], self.kept_object)
                return setattr(target, request["attribute"], value)
            if "attribute" in request:
                target = getattr(target, request["attribute"])
        if not request["call"]:
            return target
        arguments = wire.decode(request["arguments"], self.kept_object)
        keywords = wire.decode(request["keywords"], self.kept_object)
        return target(*arguments, **keywords)

    def keep(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def kept_object(self, number: int, name: str) -> Any:
        return self.kept[number]


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:500]
    except BaseException:
        return type(error).__name__[:500]
