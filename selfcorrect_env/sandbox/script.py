"""A program that runs as a script: the side of its own process; see `standard_streams`.

A zygote imports this module and forks a process for each program. Modules such as `threading` and
`random` run code in each of them, so they are not imported here.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import atexit
import builtins
import json
import os
import socket
import sys
import types
from typing import Any

LONGEST_REPORT = 4096
"""Maximum size in bytes of what the process says of its end."""


def connect(task: int, peer: int) -> None:
    """Make the input and the output of a submitted program this process's descriptors 0 and 1."""
    with socket.socket(fileno=os.dup(task)) as line:
        _, descriptors, _, _ = socket.recv_fds(line, 1, 1)
    os.dup2(descriptors[0], 0)
    os.close(descriptors[0])
    os.dup2(peer, 1)
    os.close(peer)


def serve(source: str, task: int) -> None:
    """Run ``source`` as ``__main__``, report on ``task`` how it ended, and exit."""
    stdout = _open_streams()
    try:
        failed = _run(source)
        for stream in (sys.stdout, stdout):
            if not stream.closed:
                stream.flush()
    except BaseException as error:  # of a stream or an exit function that the program made
        failed = _describe(error)
    os.write(task, json.dumps({"failed": failed[: LONGEST_REPORT // 8]}).encode())
    os._exit(1 if failed else 0)


def _open_streams() -> Any:
    """Replace the interpreter's streams, which belong to other files; return the output."""
    lenient = {"encoding": "utf-8", "errors": "surrogateescape", "closefd": False}
    sys.stdin = sys.__stdin__ = os.fdopen(0, "r", **lenient)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", newline="\n", **lenient)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", **lenient)
    sys.argv = ["program.py"]
    # what `site` defines, which a bare interpreter does not import
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    return sys.stdout


def _run(source: str) -> str:
    """Run a program to the end of its threads and exit functions; return what failed, or ""."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    failed = ""
    try:
        exec(compile(source, "program.py", "exec"), module.__dict__)
    except SystemExit as error:
        failed = "" if error.code in (None, 0) else f"SystemExit: {error.code}"
    except BaseException as error:
        failed = _describe(error)
    threading: Any = sys.modules.get("threading")  # without it, the program has one thread
    for thread in threading.enumerate() if threading else ():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    return failed


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except BaseException:
        return type(error).__name__[:300]
