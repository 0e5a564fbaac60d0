"""A warm process from which each program's process is forked.

Started by `sandbox.pool` through ``bare_interpreter.py``. It receives one job at a time over its
socket, as two descriptors from which it does not read. Only the forked child reads the program, so
the next child inherits nothing of it. Tests are never sent to this process.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import signal
import socket
import time
from typing import Any

from selfcorrect_env.sandbox import namespaces, packages, program, script, seccomp, wire
from selfcorrect_env.sandbox.confinement import (
    PACKAGES,
    confine,
    die_with_parent,
    limit_processor_time,
    pin_to_core,
    python_files,
    python_folders,
)
from selfcorrect_env.sandbox.scratch import empty

PREIMPORTED = (
    "abc",
    "array",
    "bisect",
    "cmath",
    "collections",
    "copy",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "re",
    "string",
    "struct",
    "textwrap",
    "time",
    "types",
    "typing",
)
"""Modules that programs often import."""


TASK, PEER = 3, 4
"""A child's descriptors: of the connection on which its job comes, and of that to the checker."""
GONE = b"g"
"""The mark of a request to end a job whose program seems to have ended already."""
LAST_MOMENTS = 0.5
"""Seconds that a program which seems to have ended has to do so by itself."""


def main(options: dict[str, Any]) -> None:
    """Serve jobs until the other side closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pin_to_core(options["core"])
    packages.install(options["packages"])
    packages.preimport(options["packages"])
    folder = _enter_namespaces(options) if options["namespaces"] else options["scratch"]
    for name in PREIMPORTED:
        importlib.import_module(name)
    program.warm_up()
    calls = seccomp.Filter() if options["strong"] else None
    _replace_standard_streams()
    confine(
        strong=options["strong"],
        memory=options["memory"],
        folder=folder or "/",
        writable=bool(folder),
    )
    control = socket.socket(fileno=options["control"])
    try:
        _serve(control, folder, options, calls)
    finally:
        with contextlib.suppress(OSError):  # also if the owner was killed and cannot delete it
            os.rmdir(folder)


def _serve(
    control: socket.socket, folder: str, options: dict[str, Any], calls: seccomp.Filter | None
) -> None:
    wire.send(control.fileno(), {"ready": True, "job": ""})
    server = program.Server(PEER)
    gc.collect()
    gc.freeze()
    while True:
        number, descriptors, _, _ = socket.recv_fds(control, wire.JOB_SIZE, 2)
        if len(number) != wire.JOB_SIZE:
            break
        child = os.fork()
        if not child:
            _run(options, descriptors, calls, server)
        for descriptor in descriptors:
            os.close(descriptor)
        request = control.recv(wire.JOB_SIZE + 1)
        end = _end(child, patient=request[wire.JOB_SIZE :] == GONE)
        _kill_others(alone=options["namespaces"])
        if folder:
            empty(folder)
        fcntl.fcntl(0, fcntl.F_SETFL, os.O_RDWR)  # the child shares the flags of this open file
        if request[: wire.JOB_SIZE] != number:
            break
        wire.send(control.fileno(), {**end, "job": number.hex()})


def _enter_namespaces(options: dict[str, Any]) -> str:
    """Continue in new namespaces; return the scratch folder there."""
    namespaces.enter(options["scratch"])
    if options["strong"]:
        packages = [os.path.join(it, name) for it in python_folders() for name in PACKAGES]
        namespaces.replace_root([*python_folders(), *python_files()], packages)
        return namespaces.SCRATCH
    namespaces.mount_scratch(options["scratch"])
    return options["scratch"]


def _replace_standard_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def _run(
    options: dict[str, Any],
    descriptors: list[int],
    calls: seccomp.Filter | None,
    server: program.Server,
) -> None:
    """Run a program in this forked child, and exit.

    Each page of memory that it changes is copied first, so it should do little else.
    """
    try:
        os.setsid()
        _move(descriptors)
        job = wire.receive(TASK)
        is_script = isinstance(job, dict)  # a program that reads its standard input
        if is_script:
            script.connect(TASK, PEER)
        else:
            os.close(TASK)
        limit_processor_time(options["seconds"])
        if not options["namespaces"]:  # otherwise the program ends with process 1, this zygote
            die_with_parent()
        if calls is not None:
            calls.install()
        if is_script:
            script.serve(job["script"], TASK)
        source, names = job
        program.serve(source, names, server)
    finally:
        os._exit(0)


def _move(descriptors: list[int]) -> None:
    """Move the job's descriptors to `TASK` and `PEER`, and close all others."""
    high = [os.dup2(number, 50 + i) for i, number in enumerate(descriptors)]
    for target, number in zip((TASK, PEER), high, strict=True):
        os.dup2(number, target)
    os.closerange(5, 64)


def _end(child: int, *, patient: bool) -> dict[str, Any]:
    """Kill the child if it has not ended, and describe how it ended.

    Returns:
        ``signal``: the signal that ended it; 0 if none did, or if this function had to kill it.
        ``exit``: its exit status; None if a signal ended it.
        ``cpu``: seconds of processor time. ``memory``: the most memory that it had, in bytes.
    """
    end = time.monotonic() + (LAST_MOMENTS if patient else 0.0)
    while not (ended := _has_ended(child)) and time.monotonic() < end:
        time.sleep(0.002)
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return {
        "signal": os.WTERMSIG(status) if ended and os.WIFSIGNALED(status) else 0,
        "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
    }


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_others(*, alone: bool) -> None:
    """Kill the processes that the child left running.

    Args:
        alone: whether this is process 1 of its namespace, so that all others are the child's.
    """
    if alone:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0 if alone else os.WNOHANG)[0]:
            pass
