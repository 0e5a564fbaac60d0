"""The worker side of `workers.pool`: one process that serves one function.

Run as ``python -m selfcorrect_env.verifiers.workers.worker module:function memory_bytes warm_up``,
where ``warm_up`` is a JSON list of arguments, or ``null``: the function is called once with them
before the worker reports that it is ready. The worker reads requests from standard input and writes
answers to standard output, each as its length (4 bytes, big endian) followed by a JSON text. The
first message is ``ready``, or the reason why the worker cannot start.

The process exits when its input ends. During a request the kernel ends it by ``SIGPROF`` when it
has used the request's processor time, and by ``SIGALRM`` one second after the request's limit of
wall-clock time, at which the parent kills it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")
_GRACE = 1.0  # seconds after the wall-clock limit at which a worker exits by itself


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message.

    Raises:
        OSError: the other side has closed.
    """
    body = json.dumps(message).encode("ascii")
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:
        rest = rest[stream.write(rest) :]
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message; return None at the end of the stream, even within a message."""
    head = _read_exactly(stream, _LENGTH.size)
    body = head and _read_exactly(stream, _LENGTH.unpack(head)[0])
    return json.loads(body) if body else None


def _read_exactly(stream: BinaryIO, size: int) -> bytes | None:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def serve(function: Callable[..., Any], requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends, or until a request exhausts the memory."""
    send(answers, {"ready": os.getpid()})
    while (request := receive(requests)) is not None:
        _exit_after(request["deadline"], request["wall_limit"] + _GRACE)
        try:
            answer = {"value": function(*request["arguments"])}
        except MemoryError:
            send(answers, {"memory": True})
            return
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"[:500]}
        _exit_after(0, 0)
        send(answers, answer)


def _exit_after(processor: float, wall: float) -> None:
    """Set the timers at which the kernel ends this process, even within C code; 0 disables them.

    Args:
        processor: seconds of processor time of this process.
        wall: seconds of wall-clock time.
    """
    if hasattr(signal, "setitimer"):  # Windows has no such timers
        signal.setitimer(signal.ITIMER_PROF, processor)
        signal.setitimer(signal.ITIMER_REAL, wall)


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":  # macOS does not allow lowering RLIMIT_AS
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def main() -> None:
    """Serve the function named on the command line."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)  # the function's output must not mix with the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    try:
        module, _, name = sys.argv[1].partition(":")
        function = getattr(importlib.import_module(module), name)
        _limit_memory(int(sys.argv[2]))
        if (warm_up := json.loads(sys.argv[3])) is not None:
            function(*warm_up)
    except Exception as error:
        send(answers, {"failed": f"{type(error).__name__}: {error}"[:500]})
        return
    try:
        serve(function, requests, answers)
    except BrokenPipeError:  # the parent has exited
        return


if __name__ == "__main__":
    main()
