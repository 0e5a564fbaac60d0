"""A warm process from which each program, or each check, is forked.

Started by `selfcorrect_env.sandbox.pool` through ``bare.py``. It takes one job at a time over its
socket: a line of JSON and two descriptors, of which it reads neither. What a job says is read by
the forked child alone, so the next child inherits no trace of it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import time
from typing import Any

from selfcorrect_env.sandbox import checker, program, wire
from selfcorrect_env.sandbox.confinement import Confinement, empty, enter_namespaces

PREIMPORTED = (
    "abc",
    "array",
    "bisect",
    "cmath",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "queue",
    "random",
    "re",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "threading",
    "time",
    "types",
    "typing",
    "unicodedata",
)
"""Modules that programs often import."""


def main(options: dict[str, Any]) -> None:
    """Serve jobs until the other side closes."""
    if options["namespaces"]:
        enter_namespaces(options["scratch"])
    for name in PREIMPORTED:
        importlib.import_module(name)
    confinement = Confinement.prepare(
        options["strong"], options["memory"], options["scratch"], options["namespaces"]
    )
    control = socket.socket(fileno=options["control"])
    control.sendall(b'{"ready": true}\n')
    gc.collect()
    gc.freeze()
    while True:
        line, descriptors, _, _ = socket.recv_fds(control, 4096, 2)
        if not line:
            return
        job = json.loads(line)
        child = os.fork()
        if not child:
            _run(job, descriptors, confinement)
        for number in descriptors:
            os.close(number)
        end = _wait(child, job["seconds"], control)
        _clean(options)
        control.sendall(json.dumps(end).encode() + b"\n")


def _run(job: dict[str, Any], descriptors: list[int], confinement: Confinement) -> None:
    """Do a job in this forked child, and end it."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        task, peer = _move(descriptors, confinement)
        message = wire.receive(task)
        if job["role"] == "program":
            os.close(task)
            confinement.enter(job["seconds"])
            program.serve(message["source"], peer)
        else:
            confinement.enter(job["seconds"])
            wire.send(task, checker.check(**message, peer=peer))
    finally:
        os._exit(0)


def _move(descriptors: list[int], confinement: Confinement) -> tuple[int, int]:
    """Move the job's descriptors to 3 and 4, landlock's rules to 5, and close all others."""
    high = [os.dup2(number, 100 + i) for i, number in enumerate(descriptors)]
    if confinement.rules >= 0:
        high.append(os.dup2(confinement.rules, 110))
    for target, number in zip((3, 4, 5), high, strict=False):
        os.dup2(number, target)
    confinement.rules = 5 if confinement.rules >= 0 else -1
    os.closerange(3 + len(high), 256)
    return 3, 4


def _wait(child: int, seconds: float, control: socket.socket) -> dict[str, Any]:
    """Wait until the child ends, its time is over, or the other side asks for its end.

    The other side asks once for each job, at the latest when it has seen the child end; the
    answer is how the child ended.
    """
    start, timeout, asked = time.monotonic(), False, False
    handle = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
    while not (asked or timeout):
        left = seconds - (time.monotonic() - start)
        if handle is None:  # no such descriptors before Linux 5.3, nor on other systems
            asked = bool(select.select([control], [], [], max(0.0, min(left, 0.002)))[0])
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        else:
            ready = select.select([control, handle], [], [], max(0.0, left))[0]
            asked, ended = control in ready, handle in ready
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
    control.recv(1)
    return {
        "timeout": timeout,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "seconds": time.monotonic() - start,
        "memory": usage.ru_maxrss * 1024,
    }


def _clean(options: dict[str, Any]) -> None:
    """End what the child left running, and delete what it wrote."""
    if options["namespaces"]:  # this is process 1 here: all others are the child's leavings
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
