"""A warm process from which each program's process is forked.

Started by `sandbox.pool` through ``bare_interpreter.py``. It receives one job at a time over its
socket, as two descriptors from which it does not read. Only the forked child reads the program, so
the next child inherits nothing of it. Tests are never sent to this process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import time
from typing import Any

from selfcorrect_env.sandbox import program, seccomp, wire
from selfcorrect_env.sandbox.confinement import (
    confine,
    empty,
    enter_namespaces,
    limit_processor_time,
    pin_to_core,
)

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


def main(options: dict[str, Any]) -> None:
    """Serve jobs until the other side closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pin_to_core(options["core"])
    if options["namespaces"]:
        enter_namespaces(options["scratch"])
    for name in PREIMPORTED:
        importlib.import_module(name)
    program.warm_up()
    calls = seccomp.Filter() if options["strong"] else None
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    confine(
        strong=options["strong"],
        memory=options["memory"],
        scratch=options["scratch"],
        writable=options["namespaces"],
    )
    control = socket.socket(fileno=options["control"])
    wire.send(control.fileno(), {"ready": True, "job": ""})
    gc.collect()
    gc.freeze()
    while True:
        number, descriptors, _, _ = socket.recv_fds(control, wire.JOB_SIZE, 2)
        if len(number) != wire.JOB_SIZE:
            return
        child = os.fork()
        if not child:
            _run(options["seconds"], descriptors, calls)
        for descriptor in descriptors:
            os.close(descriptor)
        end = _wait(child, options["seconds"], control)
        if control.recv(wire.JOB_SIZE) != number:
            return
        _clean(options)
        wire.send(control.fileno(), {**end, "job": number.hex()})


def _run(seconds: float, descriptors: list[int], calls: seccomp.Filter | None) -> None:
    """Run a program in this forked child, and exit."""
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        task, peer = _move(descriptors)
        source = wire.receive(task)
        os.close(task)
        limit_processor_time(seconds)
        if calls is not None:
            calls.install()
        program.serve(source, peer)
    finally:
        os._exit(0)


def _move(descriptors: list[int]) -> tuple[int, int]:
    """Move the job's descriptors to 3 and 4, and close all others."""
    high = [os.dup2(number, 50 + i) for i, number in enumerate(descriptors)]
    for target, number in zip((3, 4), high, strict=True):
        os.dup2(number, target)
    os.closerange(5, 64)
    return 3, 4


def _wait(child: int, seconds: float, control: socket.socket) -> dict[str, Any]:
    """Wait until the child ends, its time is up, or the other side requests its end.

    The other side sends this request, the job's number, once per job, at the latest after the
    child has ended; it is not read here. The result describes how the child ended.
    """
    start, timeout, requested = time.monotonic(), False, False
    handle = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
    while not (requested or timeout):
        left = seconds - (time.monotonic() - start)
        if handle is None:  # no pidfd before Linux 5.3 or on other systems
            requested = bool(select.select([control], [], [], max(0.0, min(left, 0.002)))[0])
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        else:
            ready = select.select([control, handle], [], [], max(0.0, left))[0]
            requested, ended = control in ready, handle in ready
        if ended:
            break
        timeout = left <= 0
    if handle is not None:
        os.close(handle)
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    _, status, usage = os.wait4(child, 0)
    return {
        "timeout": timeout,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "seconds": time.monotonic() - start,
        "memory": usage.ru_maxrss * 1024,
    }


def _clean(options: dict[str, Any]) -> None:
    """Kill the processes that the child left running, and delete the files that it wrote."""
    if options["namespaces"]:  # this is process 1: all others were started by the child
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    while True:
        try:
            if os.waitpid(-1, 0 if options["namespaces"] else os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    if options["scratch"]:
        empty(options["scratch"])
