"""The worker's side of `workers.pool`: one process that serves one function.

Run as ``python -m selfcorrect_env.verifiers.workers.worker module:function memory_bytes``. Requests
come in on standard input and answers go out on standard output, each a JSON text behind its
length (4 bytes, big endian). The first message says ``ready`` or why the worker cannot start.
The process ends when its input ends, and, should nobody stop it, one second after the
deadline of the request that it works on.
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
_GRACE = 1.0  # seconds after which a worker that nobody stopped ends itself


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message.

    Raises:
        OSError: the other side is gone.
    """
    body = json.dumps(message).encode("ascii")
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:
        rest = rest[stream.write(rest) :]
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message; None at the stream's end, also where a message stops half way."""
    head = _exactly(stream, _LENGTH.size)
    body = head and _exactly(stream, _LENGTH.unpack(head)[0])
    return json.loads(body) if body else None


def _exactly(stream: BinaryIO, size: int) -> bytes | None:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def serve(function: Callable[..., Any], requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more; a request that exhausts the memory is the last."""
    send(answers, {"ready": os.getpid()})
    while (request := receive(requests)) is not None:
        _end_myself_after(request["deadline"] + _GRACE)
        try:
            answer = {"value": function(*request["arguments"])}
        except MemoryError:
            send(answers, {"memory": True})
            return
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"[:500]}
        _end_myself_after(0)
        send(answers, answer)


def _end_myself_after(seconds: float) -> None:
    """Let the kernel end this process then, also where the interpreter is deep in C; 0: never."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":  # macOS refuses to lower RLIMIT_AS
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def main() -> None:
    """Serve what the command line names."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)  # what the function prints must not stand among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        module, _, name = sys.argv[1].partition(":")
        function = getattr(importlib.import_module(module), name)
        _limit_memory(int(sys.argv[2]))
    except Exception as error:
        send(answers, {"failed": f"{type(error).__name__}: {error}"[:500]})
        return
    try:
        serve(function, requests, answers)
    except BrokenPipeError:  # the parent is gone
        return


if __name__ == "__main__":
    main()
