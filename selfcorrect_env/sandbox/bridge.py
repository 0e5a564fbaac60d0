"""A bridge between two processes: calls, values and objects cross it in both directions.

Both sides speak in turn. A *request* asks for an operation on an object of the other side; until
its answer comes, the other side may ask in turn, so functions can be passed as arguments. What
crosses, and how: `objects`.
"""

from __future__ import annotations

import sys
from _thread import RLock  # `threading` runs code in each forked process
from typing import Any

from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.classes import LONGEST_TEXT, described
from selfcorrect_env.sandbox.objects import Objects
from selfcorrect_env.sandbox.wire import WireError

_STOPS = (StopIteration, StopAsyncIteration)
_ITERATING = ("next", "special", "send", "throw")


class Gone(BaseException):
    """The other side ended or violated the protocol. ``except Exception`` does not catch it."""


class ProgramError(Exception):
    """An exception of the program that cannot be rebuilt, or a value that cannot cross."""


class Bridge:
    """One side of a bridge; a subclass says what the other side may ask for.

    Args:
        line: the connection.
        parity: 0 on one side and 1 on the other.
        trusting: whether the other side may redefine operations with plain data (`proxies`).
    """

    def __init__(self, line: wire.Line, *, parity: int, trusting: bool) -> None:
        self.line = line
        self.lock = RLock()
        self.objects = Objects(self, parity=parity, trusting=trusting, running=self._running)
        self.known: frozenset[str] = frozenset()
        """Names of classes of the other side that may answer ``in``."""
        self.closed = False
        """Whether there is another side no longer, though proxies of it may still be used."""
        self.asked = False
        """Whether there was a request."""

    def request(self, operation: str, *arguments: Any) -> Any:
        """Ask for an operation; return its result, or raise the exception that it raised.

        Raises:
            WireError: an argument cannot cross.
            Gone: there is no answer.
        """
        if self.closed:
            raise Gone("the program has ended")
        with self.lock:
            self._send({"do": operation, **self.objects.packed(arguments)})
            self.asked = True
            while True:
                message = self.receive()
                if message is None:
                    raise Gone("the program ended before it answered")
                if "do" not in message:
                    return self._result(message, operation)
                self.serve(message)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, or None if the other side has closed.

        Raises:
            Gone: it is not a message.
        """
        try:
            message = self.line.receive()
        except WireError as error:
            raise Gone(str(error)) from None
        if message is not None and not isinstance(message, dict):
            raise Gone("the program sent a message that is not an answer")
        return message

    def serve(self, message: dict[str, Any]) -> None:
        """Answer a request."""
        try:
            self.hear(message)
            result = self.perform(str(message["do"]), self.objects.unpacked(message))
            answer = {"ok": True, **self.objects.packed((result,))}
        except Gone:
            raise
        except BaseException as error:
            answer = self.failure(error)
        with self.lock:
            try:
                self._send(answer)
            except WireError as error:
                self._send({"ok": False, "text": str(error)})

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        """Perform an operation that the other side asks for; return its result."""
        raise NotImplementedError

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Return the answer that says that an operation raised."""
        try:
            return {"ok": False, **self.objects.packed((error,))}
        except BaseException:
            return {"ok": False, "text": described(error)}

    def hear(self, message: dict[str, Any]) -> None:
        """Write what the other side printed."""
        printed = message.get("out")
        if isinstance(printed, str):
            sys.stdout.write(printed)

    def printed(self) -> str:
        """Return what this side printed since the last message."""
        return ""

    def signature(self, function: Any) -> Any:
        """Return the signature of a function of the other side."""
        import inspect  # few tests need it, and it is large

        parameters = [
            inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=default[0] if default else inspect._empty,
            )
            for name, kind, default in self.request("signature", function)
        ]
        return inspect.Signature(parameters)

    def _running(self, tag: str, proxy: Any) -> Any:
        return self._generator(proxy) if tag == "g" else self._coroutine(proxy)

    def _generator(self, proxy: Any) -> Any:
        """Return a generator that runs on the other side."""
        request: tuple[Any, ...] = ("next", proxy)
        while True:
            try:
                item = self.request(*request)
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield item
                request = ("next", proxy) if sent is None else ("send", proxy, sent)
            except GeneratorExit:
                if not self.closed:
                    self.request("close", proxy)
                raise
            except BaseException as error:
                request = ("throw", proxy, error)

    async def _coroutine(self, proxy: Any) -> Any:
        """Return a coroutine that runs on the other side."""
        return self.request("await", proxy)

    def _send(self, message: dict[str, Any]) -> None:
        printed = self.printed()
        if printed:
            message["out"] = printed
        try:
            self.line.send(message)
        except OSError:
            raise Gone("the program ended before it answered") from None

    def _result(self, message: dict[str, Any], operation: str) -> Any:
        self.hear(message)
        try:
            value = self._value(message)
        except WireError as error:
            raise self.blame(ProgramError(f"the program answered with {error}")) from None
        if message.get("ok") is True:
            return value
        if isinstance(value, _STOPS) and operation not in _ITERATING:
            value = RuntimeError(f"the program raised {type(value).__name__}")
        raise self.blame(value if isinstance(value, BaseException) else ProgramError("nothing"))

    def blame(self, error: BaseException) -> BaseException:
        """Mark an exception as one of the other side, and return it."""
        error.__dict__["_of_program"] = True
        return error

    def _value(self, message: dict[str, Any]) -> Any:
        if "text" in message:
            return ProgramError(str(message["text"])[:LONGEST_TEXT])
        found = self.objects.unpacked(message)
        if len(found) != 1:
            raise WireError("not one value")
        return found[0]
