"""Try each isolation layer in a child of this process, and print which ones work."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from selfcorrect_env.sandbox import confinement, landlock, namespaces, seccomp
from selfcorrect_env.sandbox.confinement import python_files, python_folders


def main(options: dict[str, Any]) -> None:
    """Print one JSON object: layer -> "" if it works, else why it does not."""
    trials: dict[str, Callable[[], None]] = {
        "limits": _limits,
        "landlock": _landlock,
        "seccomp": _seccomp,
        "namespaces": _namespaces,
    }
    print(json.dumps({name: _in_child(trial) for name, trial in trials.items()}))


def _in_child(trial: Callable[[], None]) -> str:
    """Run a trial in a forked child; return "" on success, else the error message."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        try:
            trial()
            os.write(theirs, b"+")
        except BaseException as error:
            os.write(theirs, (str(error) or type(error).__name__)[:300].encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        message = file.read().decode(errors="replace")
    os.waitpid(child, 0)
    return "" if message == "+" else message or "the process of the trial was killed"


def _limits() -> None:
    memory = 256 * confinement.MEBIBYTE
    confinement.confine(strong=False, memory=memory, folder="/", writable=False)
    try:
        bytearray(512 * confinement.MEBIBYTE)
    except MemoryError:
        return
    raise OSError("the limit of the address space has no effect")


def _landlock() -> None:
    rules = landlock.ruleset([sys.prefix], [], [])
    confinement.no_new_privileges()
    landlock.restrict(rules)
    for path, flags in (("/etc/passwd", os.O_RDONLY), ("/tmp/selfcorrect", os.O_CREAT)):
        try:
            os.open(path, flags)
        except PermissionError:
            continue
        raise OSError(f"{path} could be opened although landlock forbids it")


def _seccomp() -> None:
    calls = seccomp.Filter()
    confinement.no_new_privileges()
    calls.install()
    for forbidden in (socket.socket, os.fork):
        try:
            forbidden()
        except PermissionError:
            continue
        raise OSError(f"{forbidden.__name__} worked although seccomp forbids it")


def _namespaces() -> None:
    namespaces.enter()
    namespaces.replace_root([*python_folders(), *python_files()], [])
    with open(f"{namespaces.SCRATCH}/trial", "w") as file:
        file.write("x")
    if os.getpid() != 1 or os.path.exists("/etc/passwd"):
        raise OSError("the namespaces are not new")
