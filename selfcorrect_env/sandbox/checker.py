"""The trusted side of the sandbox: runs the tests and sends their calls to the program's process.

The results of a call are rebuilt here from plain data (`values`), so a program can return any
value, but cannot redefine equality. The checker sends a verdict only after the last test.

The tests come from the problem set and are trusted, so one process runs those of many programs,
each in its own namespace. The process that waits for the verdict kills the checker if it takes too
long.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import os
import signal
import socket
import sys
from typing import Any

from selfcorrect_env.sandbox import packages, wire
from selfcorrect_env.sandbox.assertions import COPIED, EXPECTED, before, compiled, copied
from selfcorrect_env.sandbox.bridge import Bridge, Gone, ProgramError
from selfcorrect_env.sandbox.confinement import confine, pin_to_core
from selfcorrect_env.sandbox.proxies import OPERATIONS, SPECIAL

NAMESPACE = "tests"
"""The ``__name__`` of the tests."""

_READ_INPUT = builtins.input
_ITERATION = ("__iter__", "__next__", "__length_hint__")
_NAMES = ("__name__", "__doc__", "__qualname__")
_OF_ITERATORS = frozenset(("next", "iter", "send", "throw", "close"))


class Missing:
    """A name that the program does not define."""

    def __init__(self, bridge: Checker, name: str) -> None:
        self.__dict__.update(_bridge=bridge, _name=name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Raise NameError."""
        raise self._bridge.blame(NameError(f"the program defines no {self._name!r}"))

    def __getattr__(self, name: str) -> Any:
        """Raise NameError, except for special methods, which it does not have."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self()


class Checker(Bridge):
    """The tests' side of the bridge.

    The program may call the functions that the tests gave it, go through their iterators, and use
    objects of their classes as the program of a test would: by attributes without an underscore
    and by operators. Nothing else of this process can be reached.
    """

    def __init__(self, peer: int) -> None:
        super().__init__(wire.Line(peer), parity=0, trusting=False)
        self._seen = False

    def program(self, names: list[str]) -> dict[str, Any]:
        """Return what the program defines under these names.

        Raises:
            ProgramError: it does not run.
        """
        hello = self.receive()
        if hello is None:
            raise Gone("the program ended before it answered")
        try:
            if hello.get("ready") is not True:
                raise ValueError(str(hello.get("failed", "no answer")))
            found, *values = self.objects.unpacked(hello)
            defined = dict(zip(found, values, strict=True))
        except (wire.WireError, ValueError, TypeError) as error:
            raise self.blame(ProgramError(f"the program does not run: {error}"[:500])) from None
        self._seen = not all(callable(defined.get(name)) for name in names)
        return {name: defined[name] if name in defined else Missing(self, name) for name in names}

    def cause(self, error: BaseException) -> str:
        """Return whose failure an exception of the tests is; see `check`."""
        if isinstance(error, Gone) or "_of_program" in getattr(error, "__dict__", ()):
            return "program"
        if isinstance(error, AssertionError):
            return "assertion"
        own = isinstance(error, SyntaxError | ImportError | NameError)
        return "problem" if own and not (self.asked or self._seen) else "tests"

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        """Perform an operation on an object that the tests gave to the program."""
        if operation == "readline":
            if builtins.input is not _READ_INPUT:
                return f"{builtins.input()}\n"
            return sys.stdin.readline()
        target = arguments[0]
        name = arguments[1] if len(arguments) > 1 else ""
        if not self.objects.is_given(target) or not _allowed(operation, target, name):
            refusal = AttributeError if operation == "getattr" else TypeError
            raise refusal(f"a program may not ask a test's {type(target).__name__} for this")
        return OPERATIONS[operation](*arguments)


def _allowed(operation: str, target: Any, name: Any) -> bool:
    """Return whether the program may ask for an operation on an object of the tests."""
    if operation == "call":
        return callable(target)
    iterates = operation in _OF_ITERATORS or (operation == "special" and name in _ITERATION)
    if operation == "iter" or (iterates and hasattr(type(target), "__next__")):
        return True
    if operation == "getattr" and name in _NAMES:
        return True
    kind = target if isinstance(target, type) else type(target)
    if kind.__module__ != NAMESPACE:
        return False
    if operation in ("getattr", "setattr", "delattr"):
        return isinstance(name, str) and not name.startswith("_")
    return operation in ("str", "len", "getitem") or (operation == "special" and name in SPECIAL)


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
        readable=packages.readable(options["test_packages"]),
    )
    packages.install(options["test_packages"])
    gc.collect()
    gc.freeze()
    wire.send(control.fileno(), {"ready": True, "job": ""})
    while True:
        number, descriptors, _, _ = socket.recv_fds(control, wire.JOB_SIZE, 1)
        if len(number) != wire.JOB_SIZE:
            return
        task = wire.receive(control.fileno())
        verdict = check(**task, peer=descriptors[0])
        os.close(descriptors[0])
        wire.send(control.fileno(), {**verdict, "job": number.hex()})


def check(
    setup: str, tests: list[str], names: list[str], peer: int, classes: list[str] | None = None
) -> dict[str, Any]:
    """Run the tests and return the verdict: ``passed``, ``total``, and ``failed`` (a message).

    ``gone`` says whether the program's process ended or violated the protocol. ``cause`` says
    whose failure it is: the ``"program"`` does not run or raised; the ``"assertion"`` of a test
    does not hold; the ``"tests"`` raised something else; the ``"problem"`` if they did so before
    they had seen anything of the program.

    Args:
        setup: Python code that runs first.
        tests: pieces of Python code, run in order in one namespace until one raises.
        names: the names of the program's functions and classes.
        peer: the descriptor of the connection to the program.
        classes: those of the names that are classes.
    """
    bridge = Checker(peer)
    bridge.known = frozenset(classes or ())
    verdict: dict[str, Any] = {"passed": 0, "total": len(tests), "failed": "", "gone": False}
    standard = sys.stdin, sys.stdout, builtins.input
    try:
        program = bridge.program(names)
        defined = frozenset(names)
        pieces = [compiled(setup, "<setup>", defined)]
        pieces += [compiled(it, f"<test {n}>", defined) for n, it in enumerate(tests, 1)]
        ours = {EXPECTED: before, COPIED: copied}
        namespace: dict[str, Any] = {"__name__": NAMESPACE, **program, **ours}
        for number, (code, modules) in enumerate(pieces):
            verdict["failed"] = f"test {number}" if number else ""
            for name in modules - namespace.keys():
                namespace[name] = importlib.import_module(name)
            exec(code, namespace)
            if not number:
                namespace.update(program)  # a setup may contain a stub of the program's function
            verdict["passed"] = number
    except BaseException as error:
        verdict["gone"] = isinstance(error, Gone)
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        failed = f"{verdict['failed']}: {message}".removeprefix(": ")[:500]
        return {**verdict, "failed": failed, "cause": bridge.cause(error)}
    finally:
        sys.stdin, sys.stdout, builtins.input = standard
        bridge.closed = True
    return {**verdict, "failed": "", "cause": ""}
