"""The trusted side of the sandbox: runs the tests, with calls of the program sent to its process.

A test sees results that were rebuilt here from plain data (`wire`), so a program can answer, but
not lie about being equal. A verdict is sent only after every test has run to its end.

Tests are the problem set's own, so one process runs those of many programs, each in a namespace of
its own; whoever waits for it ends it if it takes too long.
"""

from __future__ import annotations

import builtins
import os
import socket
from typing import Any

from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.confinement import confine, stay_on


class ProgramError(Exception):
    """The program raised an exception of its own, or broke off."""


class ProgramGone(BaseException):
    """The program's process has ended or talks nonsense: no test may catch this."""


class Connection:
    """The line to the program's process."""

    def __init__(self, peer: int) -> None:
        self.line = wire.Line(peer)

    def ask(self, request: dict[str, Any]) -> Any:
        """Return what the program answers; raise what it raised."""
        try:
            self.line.send(request)
        except wire.WireError as error:
            raise ProgramError(str(error)) from None
        except OSError:
            raise ProgramGone("the program ended before it answered") from None
        answer = self.hear()
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

    def hear(self) -> dict[str, Any]:
        """Return the next message; `ProgramGone` if there is none."""
        try:
            message = self.line.receive()
        except wire.WireError as error:
            raise ProgramGone(str(error)) from None
        if message is None:
            raise ProgramGone("the program ended before it answered")
        if not isinstance(message, dict):
            raise ProgramGone("the program sent something else than an answer")
        return message

    def remote(self, number: int, name: str) -> Remote:
        """Return what stands here for an object that stays with the program."""
        return Remote(self, {"handle": number}, name)


def _handle_of(value: Any) -> int:
    """Return the handle of an object that stays with the program, which goes back as it came."""
    if type(value) is Remote and "handle" in value._target:
        return value._target["handle"]
    raise wire.WireError(f"a {type(value).__name__} cannot be an argument of the program")


class Remote:
    """A function or an object of the program: called there, equal to itself alone here.

    ``_target`` says which: a ``name`` of the program, or the ``handle`` of an object.
    """

    def __init__(self, connection: Connection, target: dict[str, Any], name: str) -> None:
        self.__dict__.update(_connection=connection, _target=target, _name=name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it in the program's process."""
        request = {
            **self._target,
            "call": True,
            "arguments": wire.encode(arguments, _handle_of),
            "keywords": wire.encode(keywords, _handle_of),
        }
        return self._connection.ask(request)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "handle" not in self._target:
            raise AttributeError(name)
        return self._connection.ask({**self._target, "attribute": name, "call": False})

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or "handle" not in self._target:
            raise AttributeError(name)
        sent = wire.encode(value, _handle_of)
        self._connection.ask({**self._target, "attribute": name, "call": False, "set": sent})

    def __repr__(self) -> str:
        return f"<{self._name} of the program>"


def main(options: dict[str, Any]) -> None:
    """Take jobs over a socket until the other side closes; answer each with its verdict."""
    stay_on(options["core"])
    control = socket.socket(fileno=options["control"])
    confine(
        strong=options["strong"],
        memory=options["memory"],
        scratch=options["scratch"],
        writable=False,
    )
    wire.send(control.fileno(), {"ready": True})
    while True:
        byte, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not byte:
            return
        task = wire.receive(control.fileno())
        verdict = check(**task, peer=descriptors[0])
        os.close(descriptors[0])
        wire.send(control.fileno(), verdict)


def check(setup: str, tests: list[str], names: list[str], peer: int) -> dict[str, Any]:
    """Run the tests and return the verdict: ``passed`` and ``total``, and what ``failed``.

    Args:
        setup: Python that is run first.
        tests: pieces of Python, run in one namespace, in order, until one raises.
        names: which names stand for the program's functions and classes.
        peer: the descriptor of the line to the program.
    """
    connection = Connection(peer)
    verdict: dict[str, Any] = {"passed": 0, "total": len(tests), "failed": ""}
    try:
        hello = connection.hear()
        if hello.get("ready") is not True:
            return {**verdict, "failed": f"the program does not run: {hello.get('failed')}"[:500]}
        program = {name: Remote(connection, {"name": name}, name) for name in names}
        namespace: dict[str, Any] = {"__name__": "tests", **program}
        exec(compile(setup, "<setup>", "exec"), namespace)
        namespace.update(program)  # a setup may hold the stub of what the program defines
        for number, test in enumerate(tests, start=1):
            verdict["failed"] = f"test {number}"
            exec(compile(test, f"<test {number}>", "exec"), namespace)
            verdict["passed"] = number
    except BaseException as error:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return {**verdict, "failed": f"{verdict['failed']}: {told}".removeprefix(": ")[:500]}
    return {**verdict, "failed": ""}
