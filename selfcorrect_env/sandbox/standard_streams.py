"""A program that reads its standard input and writes to its standard output, as a script does.

This is the side of the judging process; the program's is `selfcorrect_env.sandbox.script`. The
program gets its input as a file on descriptor 0; its descriptor 1 is a socket from which the
judging process reads, up to a limit. What is expected never enters the program's process.
"""

from __future__ import annotations

import json
import os
import select
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.script import LONGEST_REPORT

LARGEST_OUTPUT = 16 * 2**20
"""Maximum size in bytes of what a program may print; a longer output is cut, and wrong."""

INTERVAL = 0.05
"""Seconds from one look at the program's time to the next."""


@dataclass(frozen=True)
class Streams:
    """What a program printed, and how it says that it ended."""

    output: str
    """What it wrote to its standard output; bytes that are not UTF-8 are U+FFFD."""
    closed: bool
    """Whether its streams were closed, as they are when it has ended."""
    late: bool
    """Whether its time was up before."""
    failed: str | None
    """The exception that ended it, "" if it ended by itself, None if it did not say so."""


@contextmanager
def input_file(text: str) -> Iterator[int]:
    """Yield a descriptor of a new file that holds ``text`` and that cannot be written."""
    with tempfile.NamedTemporaryFile(prefix="selfcorrect-") as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        descriptor = os.open(file.name, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def submit(task: socket.socket, source: str, stdin: str) -> None:
    """Send a program and its input to the process that will run it."""
    wire.send(task.fileno(), {"script": source})
    with input_file(stdin) as descriptor:
        socket.send_fds(task, [b"i"], [descriptor])


def exchange(task: socket.socket, stdout: socket.socket, left: Callable[[], float]) -> Streams:
    """Read what a program prints until it has ended, its time is up or it prints too much.

    Args:
        task: the socket on which the program was submitted.
        stdout: the other end of the program's standard output.
        left: returns the seconds that the program may still take.
    """
    output, closed, late = _read(stdout, LARGEST_OUTPUT, left)
    report = b""
    if closed:
        report, closed, late = _read(task, LONGEST_REPORT, left)
    return Streams(output.decode("utf-8", "replace"), closed, late, _failure(report))


def failure(streams: Streams, end: Mapping[str, Any], *, late: bool) -> str:
    """Return why a program did not end by itself with exit status 0, or "".

    Args:
        streams: what `exchange` returned.
        end: how its process ended: ``signal`` (0 for none) and ``exit``, its exit status.
        late: whether its time was up.
    """
    if late:
        return "it did not end in time"
    if not streams.closed:
        return f"it printed more than {LARGEST_OUTPUT:,} bytes"
    if streams.failed:
        return streams.failed
    if end["signal"]:
        return f"it ended with signal {end['signal']}"
    if end["exit"] is None:
        return "it closed its streams and went on"
    return f"it ended with exit status {end['exit']}" if end["exit"] else ""


def _read(stream: socket.socket, most: int, left: Callable[[], float]) -> tuple[bytes, bool, bool]:
    """Return the bytes of a stream, whether it was closed, and whether the time was up."""
    parts: list[bytes] = []
    size, looked = 0, time.monotonic()
    while size <= most:
        ready = select.select([stream], [], [], INTERVAL)[0]
        if time.monotonic() - looked >= INTERVAL:  # also while the program prints
            if left() <= 0:
                return b"".join(parts), False, True
            looked = time.monotonic()
        if not ready:
            continue
        try:
            part = stream.recv(1 << 16)
        except ConnectionError:
            part = b""
        if not part:
            return b"".join(parts), True, False
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:most], False, False


def _failure(report: bytes) -> str | None:
    """Return what the program's process reported; anything else that it wrote is no report."""
    try:
        found = json.loads(report)
    except (ValueError, RecursionError):
        return None
    failed = found.get("failed") if isinstance(found, dict) else None
    return failed if isinstance(failed, str) else None
