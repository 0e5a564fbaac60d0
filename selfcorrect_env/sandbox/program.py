"""The untrusted side of the sandbox: runs a program, then serves calls of its functions.

No verdict is decided here. The program can modify everything in this process: everything it sends
is treated as a value that it returned.
"""

from __future__ import annotations
import __future__

import ast
import copy
import io
import socket
import sys
import types
from typing import Any

from selfcorrect_env.sandbox import loop, wire
from selfcorrect_env.sandbox.bridge import Bridge
from selfcorrect_env.sandbox.classes import described
from selfcorrect_env.sandbox.proxies import OPERATIONS

MODULE = "solution"
"""The ``__name__`` of the program; its ``__main__`` block is not run."""
MOST_PRINTED = 2**20
"""Number of characters that a program may print in a call; the rest is dropped."""
FRAMES = 30
"""Frames of this package below those of the program, which has Python's usual depth."""

_DEFINITIONS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign),
)


def serve(source: str, names: list[str], server: Server) -> None:
    """Run ``source``, report whether it succeeded, and serve calls.

    Args:
        source: the program.
        names: the names that the tests use, the tested function first.
        server: performs the calls; made before the process is forked, since each page of memory
            that a forked process changes is copied.
    """
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES)
    sys.stdout = server.output
    if "asyncio" in source:
        loop.install()
    failure = run(source, module.__dict__, names[0] if names else "")
    server.output.take()
    if failure:
        server.line.send({"failed": failure})
        return
    server.run({n: module.__dict__[n] for n in names if n in module.__dict__})


def run(source: str, namespace: dict[str, Any], name: str) -> str:
    """Run a program's top level; return why it failed, or "".

    Where a statement fails after ``name`` is defined (an example of its use, say), only the
    definitions after it are run, and the program has not failed.
    """
    try:
        code = compile(source, "<program>", "exec")
    except Exception as error:  # one statement may be invalid where it stands
        try:
            tree = ast.parse(source)
        except Exception:
            return described(error)
        return _run_statements(tree, namespace, name)
    try:
        exec(code, namespace)
    except BaseException as error:
        if name not in namespace:
            return described(error)
        tree = ast.parse(source)
        line = _line_of(error, code)
        tree.body = [it for it in tree.body if it.lineno > line and isinstance(it, _DEFINITIONS)]
        _run_statements(tree, namespace, name)
    return ""


def _line_of(error: BaseException, code: types.CodeType) -> int:
    """Return the line of the top level at which an exception was raised."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return trace.tb_lineno
        trace = trace.tb_next
    return sys.maxsize


def _run_statements(tree: ast.Module, namespace: dict[str, Any], name: str) -> str:
    """Run statements one by one; after one that fails, definitions only."""
    flags = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            flags |= __future__.annotations.compiler_flag
    failed = False
    for statement in tree.body:
        if failed and not isinstance(statement, _DEFINITIONS):
            continue
        try:
            code = compile(ast.Module([statement], []), "<program>", "exec", flags)
            exec(code, namespace)
        except BaseException as error:
            if name not in namespace:
                return described(error)
            failed = True
    return ""


class Server(Bridge):
    """Performs everything that the tests ask for.

    Args:
        peer: the descriptor of the connection to the checker.
    """

    def __init__(self, peer: int) -> None:
        super().__init__(wire.Line(peer), parity=1, trusting=True)
        self.output = Output()
        self.input = Input(self)
        self.printed = self.output.take  # type: ignore[method-assign]
        self.operations = {
            **OPERATIONS,
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "signature": _parameters,
            "derive": _derived,
            "await": _awaited,
        }

    def run(self, names: dict[str, Any]) -> None:
        """Say what the program defines, then serve requests until the other side closes."""
        sys.stdin = self.input
        try:
            message = {"ready": True, **self.objects.packed((list(names), *names.values()))}
        except BaseException as error:
            message = {"failed": described(error)}
        with self.lock:
            self.line.send(message)
        while True:
            with self.lock:
                request = self.receive()
            if request is None:
                return
            self.serve(request)

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        """Perform an operation on an object of the program."""
        return self.operations[operation](*arguments)


class Output(io.TextIOWrapper):
    """A standard output whose text is sent with the next answer."""

    def __init__(self) -> None:
        self._bytes = _Bytes()
        super().__init__(self._bytes, encoding="utf-8", errors="surrogatepass", newline="\n")

    def take(self) -> str:
        """Return what was printed since the last call."""
        try:
            self.flush()
        except ValueError:  # closed by the program
            return ""
        if not self._bytes.tell():
            return ""
        text = self._bytes.getvalue().decode("utf-8", "replace")
        self._bytes.seek(0)
        self._bytes.truncate()
        return text


class _Bytes(io.BytesIO):
    def write(self, data: Any) -> int:
        return super().write(data) if self.tell() < MOST_PRINTED else len(data)


class Input(io.TextIOBase):
    """A standard input that reads from that of the tests."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def readable(self) -> bool:
        """Return True."""
        return True

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        """Return the next line."""
        return self._server.request("readline")

    def read(self, size: int | None = -1) -> str:
        """Return everything that is left."""
        return "".join(iter(self.readline, ""))


def _parameters(function: Any) -> list[Any]:
    import inspect

    return [
        [it.name, int(it.kind), [] if it.default is it.empty else [it.default]]
        for it in inspect.signature(function).parameters.values()
    ]


def _derived(name: str, bases: tuple[Any, ...], members: dict[str, Any]) -> type:
    """Return a class that a test derives from classes of the program."""
    plain = {key: _method(it) if callable(it) else it for key, it in members.items()}
    return type(name, bases, plain)


def _method(function: Any) -> Any:
    return lambda self, *arguments, **keywords: function(self, *arguments, **keywords)


def _awaited(coroutine: Any) -> Any:
    import asyncio

    loop.install()
    return asyncio.run(coroutine)


def warm_up(times: int = 20) -> None:
    """Serve a small program of our own, so that forked processes inherit specialised bytecode.

    Python specialises bytecode while it runs; otherwise each forked process would start cold.
    """
    arguments = [["t", [1, 0.5, "a", None, True, ["&", 0]]], ["&", 2]]
    contents = [[0, "l", ["b", ["t", ["c", 2]]]], [2, "d", []]]
    standard = sys.stdin, sys.stdout, sys.getrecursionlimit()
    for _ in range(times):
        asking, serving = socket.socketpair()
        with asking, serving:
            line = wire.Line(asking.fileno())
            for _ in range(10):
                request = {"v": [["w", 1], *arguments], "h": contents, "drop": [0, 2]}
                line.send({"do": "call", **request})
            asking.shutdown(socket.SHUT_WR)
            serve("def f(*x):\n    return x\n", ["f"], Server(serving.fileno()))
    sys.stdin, sys.stdout = standard[:2]
    sys.setrecursionlimit(standard[2])
    sys.modules.pop(MODULE, None)
