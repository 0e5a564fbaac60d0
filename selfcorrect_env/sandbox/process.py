"""A warm process of the sandbox: started in a bare interpreter, driven over a socket, killed."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import weakref
from typing import Any

from selfcorrect_env.sandbox import wire
from selfcorrect_env.sandbox.layers import bare_command

START = 60.0
"""Seconds that a warm process may take to start."""
LATEST_ANSWER = 10.0
"""Seconds within which a message has to be read or written, once it has begun."""

_FROM_OUTSIDE = {-9, -15, 128 + 9, 128 + 15}
"""Exit statuses of a process that SIGKILL or SIGTERM ended."""


class JudgeError(OSError):
    """A warm process ended, or did something else than the protocol says.

    Args:
        message: what happened.
        killed: whether another process killed it, such as the kernel's out-of-memory killer.
        large: whether it used so much memory that this may be the reason.
    """

    def __init__(self, message: str, *, killed: bool = False, large: bool = False) -> None:
        super().__init__(message)
        self.killed, self.large = killed, large


class WarmProcess:
    """A process that runs a module of this package, and the socket over which it receives jobs.

    Raises:
        JudgeError: it did not start; the message is its last error.
    """

    def __init__(self, module: str, options: dict[str, Any], *, own_folder: bool = False) -> None:
        self.module = module
        self.control, theirs = socket.socketpair()
        limit = struct.pack("ll", int(LATEST_ANSWER), 0)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.control.setsockopt(socket.SOL_SOCKET, direction, limit)
        scratch = tempfile.mkdtemp(prefix="selfcorrect-") if own_folder else ""
        try:
            with theirs:
                self.process = self._spawn({**options, "scratch": scratch}, theirs)
        except BaseException:
            self.control.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        self._finalizer = weakref.finalize(
            self, _end, self.process, self.control, scratch, os.getpid()
        )
        try:
            if self.receive(START) is None:
                raise JudgeError(f"the sandbox's {module} did not start in {START:g} s")
        except BaseException:
            self.close()
            raise

    def _spawn(self, options: dict[str, Any], control: socket.socket) -> subprocess.Popen[bytes]:
        """Start the process with the other end of the socket."""
        return subprocess.Popen(
            bare_command(self.module, {**options, "control": control.fileno()}),
            pass_fds=(control.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C must reach the owner only
            env={},
            cwd="/",
        )

    def start_job(self, number: bytes, *descriptors: socket.socket) -> None:
        """Start the job ``number`` with these sockets."""
        socket.send_fds(self.control, [number], [it.fileno() for it in descriptors])

    def send(self, message: Any) -> None:
        """Send a message."""
        wire.send(self.control.fileno(), message)

    def receive(self, seconds: float, number: bytes = b"") -> Any:
        """Return the process's next message, or None if none starts within ``seconds``.

        Raises:
            JudgeError: the process has ended, or the message belongs to another job.
        """
        if not select.select([self.control], [], [], seconds)[0]:
            return None
        try:
            message = wire.receive(self.control.fileno())
        except (OSError, wire.WireError) as error:
            raise JudgeError(f"the sandbox's {self.module} sent no answer: {error}") from None
        if message is None:
            raise self.ended()
        if "failed" in message and "passed" not in message:
            raise JudgeError(f"the sandbox's {self.module} failed: {message['failed']}")
        if message.get("job") != number.hex():
            raise JudgeError(f"the sandbox's {self.module} answered for another job")
        return message

    def ended(self) -> JudgeError:
        """Return the error of a process whose socket is closed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LATEST_ANSWER)
        status = self.process.returncode
        message = f"the sandbox's {self.module} ended with status {status}"
        return JudgeError(message, killed=status in _FROM_OUTSIDE)

    def close(self) -> None:
        """Kill the process and free what it used."""
        self._finalizer()


def _end(
    process: subprocess.Popen[bytes], control: socket.socket, scratch: str, owner: int
) -> None:
    control.close()
    if os.getpid() != owner:  # in a fork of the owner: the process belongs to the parent
        return
    process.kill()
    process.wait()
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)
