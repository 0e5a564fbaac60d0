"""The trusted side of the sandbox: runs the tests and sends their calls to the program's process.

The results of a call are rebuilt here from plain data (`wire`), so a program can return any value,
but cannot redefine equality. The checker sends a verdict only after the last test.

The tests come from the problem set and are trusted, so one process runs those of many programs,
each in its own namespace. The process that waits for the verdict kills the checker if it takes too
long.
"""

from __future__ import annotations

import builtins
import os
import signal
import socket
from typing import Any

from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.confinement import confine, pin_to_core


class ProgramError(Exception):
    """The program raised an exception of its own, or returned a value that cannot cross."""


class ProgramGone(BaseException):
    """The program's process ended or violated the protocol. Tests cannot catch this."""


class Connection:
    """The connection to the program's process."""

    def __init__(self, peer: int) -> None:
        self.line = wire.Line(peer)

    def call(self, request: dict[str, Any]) -> Any:
        """Send a request; return the program's result, or raise the exception that it raised."""
        try:
            self.line.send(request)
        except wire.WireError as error:
            raise ProgramError(str(error)) from None
        except OSError:
            raise ProgramGone("the program ended before it answered") from None
        answer = self.receive()
        if "value" in answer:
            try:
                return wire.decode(answer["value"], self.remote)
            except wire.WireError as error:
                raise ProgramError(f"the program answered with {error}") from None
        name, text = str(answer.get("raised")), str(answer.get("text"))[:500]
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            raise kind(text)
        raise ProgramError(text)

    def receive(self) -> dict[str, Any]:
        """Return the next message; `ProgramGone` if there is none."""
        try:
            message = self.line.receive()
        except wire.WireError as error:
            raise ProgramGone(str(error)) from None
        if message is None:
            raise ProgramGone("the program ended before it answered")
        if not isinstance(message, dict):
            raise ProgramGone("the program sent a message that is not an answer")
        return message

    def remote(self, number: int, name: str) -> Remote:
        """Return a proxy for an object that stays in the program's process."""
        return Remote(self, {"handle": number}, name)


def _handle_of(value: Any) -> int:
    """Return the handle of a proxy, so that it can be passed back to the program."""
    if type(value) is Remote and "handle" in value._target:
        return value._target["handle"]
    raise wire.WireError(f"a {type(value).__name__} cannot be an argument of the program")


class Remote:
    """A proxy for a function or an object of the program. Here it is equal only to itself.

    ``_target`` identifies it: a ``name`` in the program, or the ``handle`` of an object.
    """

    def __init__(self, connection: Connection, target: dict[str, Any], name: str) -> None:
        self.__dict__.update(_connection=connection, _target=target, _name=name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function in the program's process."""
        request = {
            **self._target,
            "call": True,
            "arguments": wire.encode(arguments, _handle_of),
            "keywords": wire.encode(keywords, _handle_of),
        }
        return self._connection.call(request)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "handle" not in self._target:
            raise AttributeError(name)
        return self._connection.call({**self._target, "attribute": name, "call": False})

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or "handle" not in self._target:
            raise AttributeError(name)
        sent = wire.encode(value, _handle_of)
        self._connection.call({**self._target, "attribute": name, "call": False, "set": sent})

    def __repr__(self) -> str:
        return f"<{self._name} of the program>"


def main(options: dict[str, Any]) -> None:
    """Receive jobs over a socket until the other side closes; answer each with its verdict."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pin_to_core(options["core"])
    control = socket.socket(fileno=options["control"])
    confine(
        strong=options["strong"],
        memory=options["memory"],
        folder="/",
        writable=False,
    )
    wire.send(control.fileno(), {"ready": True, "job": ""})
    while True:
        number, descriptors, _, _ = socket.recv_fds(control, wire.JOB_SIZE, 1)
        if len(number) != wire.JOB_SIZE:
            return
        task = wire.receive(control.fileno())
        verdict = check(**task, peer=descriptors[0])
        os.close(descriptors[0])
        wire.send(control.fileno(), {**verdict, "job": number.hex()})


def check(setup: str, tests: list[str], names: list[str], peer: int) -> dict[str, Any]:
    """Run the tests and return the verdict: ``passed``, ``total``, and ``failed`` (a message).

    ``gone`` says whether the program's process ended or violated the protocol.

    Args:
        setup: Python code that runs first.
        tests: pieces of Python code, run in order in one namespace until one raises.
        names: the names of the program's functions and classes.
        peer: the descriptor of the connection to the program.
    """
    connection = Connection(peer)
    verdict: dict[str, Any] = {"passed": 0, "total": len(tests), "failed": "", "gone": False}
    try:
        hello = connection.receive()
        if hello.get("ready") is not True:
            return {**verdict, "failed": f"the program does not run: {hello.get('failed')}"[:500]}
        program = {name: Remote(connection, {"name": name}, name) for name in names}
        namespace: dict[str, Any] = {"__name__": "tests", **program}
        exec(compile(setup, "<setup>", "exec"), namespace)
        namespace.update(program)  # a setup may contain a stub of the program's function
        for number, test in enumerate(tests, start=1):
            verdict["failed"] = f"test {number}"
            exec(compile(test, f"<test {number}>", "exec"), namespace)
            verdict["passed"] = number
    except BaseException as error:
        verdict["gone"] = isinstance(error, ProgramGone)
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return {**verdict, "failed": f"{verdict['failed']}: {message}".removeprefix(": ")[:500]}
    return {**verdict, "failed": ""}
