"""Sockets over one stream of bytes: how a zygote works where descriptors cannot be passed.

A zygote receives a socket on which jobs start, and with each job two more. To run it in a
container, one relay stands on each side of the container's standard input and output:

    pair ── control, sockets ── relay ══ stdin, stdout ══ relay ── control, sockets ── zygote

Both are a `Relay`. A file that the pair sends over a socket, such as the input of a script, is
copied; the other side sends none. On the stream go frames: a job's identity (8 bytes), a kind (1),
a channel (1), a length (4, big-endian) and the content. Frames of a job that is over are dropped.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import tempfile
from collections.abc import Callable

from selfcorrect_env.sandbox import wire

START, DATA, FILE, CLOSE, CONTROL = range(5)
"""The kinds of frames: a job starts, bytes, a file, no more bytes, bytes on the control socket."""
SOCKETS = 2
"""Sockets of a job."""
HEAD = wire.JOB_SIZE + 6
_LARGEST = 256 * 2**20
"""Maximum size of a frame in bytes."""
_PIECE = 1 << 16
_FULL = 1 << 20
"""Bytes that wait for the stream from which nothing more is read for it."""
_FLOOD = 64 * 2**20
"""Bytes that wait for a socket at which it is closed: what the program sends is not being read."""


class Relay:
    """Carries the sockets of one side over a stream of bytes.

    Args:
        incoming, outgoing: descriptors of the stream.
        control: the control socket. ``start`` None: jobs are started on it.
        start: called with a job's identity and its sockets, where jobs start on the other side.
    """

    def __init__(
        self,
        incoming: int,
        outgoing: int,
        control: socket.socket,
        start: Callable[[bytes, list[socket.socket]], None] | None = None,
    ) -> None:
        self._incoming, self._outgoing, self._control = incoming, outgoing, control
        self._start = start
        self._job = bytes(wire.JOB_SIZE)
        self._sockets: dict[int, socket.socket] = {}
        self._pending: dict[int, bytearray] = {}  # channel -> bytes for its socket
        self._closing: set[int] = set()
        self._stream = bytearray()  # bytes for the other side
        self._read = bytearray()  # bytes of a frame that is not complete
        os.set_blocking(outgoing, False)

    def run(self) -> None:
        """Carry bytes until the stream or the control socket is closed."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                self._turn()
        for it in self._sockets.values():
            it.close()

    def _turn(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._incoming, selectors.EVENT_READ, self._receive)
            if self._stream:
                selector.register(self._outgoing, selectors.EVENT_WRITE, self._flush)
            if len(self._stream) < _FULL:
                selector.register(self._control, selectors.EVENT_READ, self._read_control)
            for channel, it in self._sockets.items():
                events = selectors.EVENT_READ if len(self._stream) < _FULL else 0
                events |= selectors.EVENT_WRITE if self._pending[channel] else 0
                if events:
                    selector.register(it, events, channel)
            for key, events in selector.select():
                if callable(key.data):
                    key.data()
                elif key.data in self._sockets and self._sockets[key.data] is key.fileobj:
                    self._serve(key.data, events)

    # -- the stream ----------------------------------------------------------------------------
    def _put(self, kind: int, channel: int = 0, content: bytes = b"") -> None:
        self._stream += self._job + bytes([kind, channel]) + len(content).to_bytes(4, "big")
        self._stream += content

    def _flush(self) -> None:
        del self._stream[: os.write(self._outgoing, self._stream[:_PIECE])]

    def _receive(self) -> None:
        piece = os.read(self._incoming, _PIECE)
        if not piece:
            raise EOFError
        self._read += piece
        while len(self._read) >= HEAD:
            length = int.from_bytes(self._read[HEAD - 4 : HEAD], "big")
            if length > _LARGEST:
                raise EOFError
            if len(self._read) < HEAD + length:
                return
            job = bytes(self._read[: wire.JOB_SIZE])
            kind, channel = self._read[wire.JOB_SIZE : wire.JOB_SIZE + 2]
            content = bytes(self._read[HEAD : HEAD + length])
            del self._read[: HEAD + length]
            self._handle(job, kind, channel, content)

    def _handle(self, job: bytes, kind: int, channel: int, content: bytes) -> None:
        if kind == CONTROL:
            self._control.sendall(content)
        elif kind == START and self._start is not None:
            pairs = [socket.socketpair() for _ in range(SOCKETS)]
            self._open(job, [near for near, _ in pairs])
            self._start(job, [far for _, far in pairs])
        elif job == self._job and channel in self._sockets:
            if kind == DATA:
                self._pending[channel] += content
                if len(self._pending[channel]) > _FLOOD:
                    self._close(channel)
            elif kind == FILE and self._start is not None:
                self._send_file(channel, content)
            elif kind == CLOSE:
                self._closing.add(channel)
                self._serve(channel, 0)

    # -- the sockets ---------------------------------------------------------------------------
    def _open(self, job: bytes, sockets: list[socket.socket]) -> None:
        for channel in list(self._sockets):
            self._close(channel)
        self._job = job
        self._sockets = dict(enumerate(sockets))
        self._pending = {channel: bytearray() for channel in self._sockets}
        self._closing.clear()
        for it in sockets:
            it.setblocking(False)

    def _close(self, channel: int) -> None:
        self._sockets.pop(channel).close()
        self._closing.discard(channel)

    def _read_control(self) -> None:
        content, descriptors, _, _ = socket.recv_fds(self._control, _PIECE, SOCKETS)
        if not content:
            raise EOFError
        if descriptors:
            self._open(content, [socket.socket(fileno=it) for it in descriptors])
            self._put(START)
        else:
            self._put(CONTROL, content=content)

    def _serve(self, channel: int, events: int) -> None:
        it = self._sockets[channel]
        try:
            if self._pending[channel]:
                del self._pending[channel][: it.send(self._pending[channel][:_PIECE])]
            if events & selectors.EVENT_READ:
                self._read_socket(channel, it)
            elif channel in self._closing and not self._pending[channel]:
                self._close(channel)
        except BlockingIOError:
            return
        except OSError:
            self._put(CLOSE, channel)
            self._close(channel)

    def _read_socket(self, channel: int, it: socket.socket) -> None:
        content, descriptors, _, _ = socket.recv_fds(it, _PIECE, 1)
        for descriptor in descriptors:
            with os.fdopen(descriptor, "rb") as file:
                if self._start is None:
                    length = len(content).to_bytes(4, "big")
                    self._put(FILE, channel, length + content + file.read())
                    return
        if content:
            self._put(DATA, channel, content)
        else:
            self._put(CLOSE, channel)
            self._close(channel)

    def _send_file(self, channel: int, content: bytes) -> None:
        """Pass a copy of a file, with the last of the bytes that accompanied it."""
        end = 4 + int.from_bytes(content[:4], "big")
        it = self._sockets[channel]
        it.setblocking(True)
        with tempfile.TemporaryFile() as file:
            file.write(content[end:])
            file.seek(0)
            it.sendall(self._pending[channel] + content[4 : end - 1])
            socket.send_fds(it, [content[end - 1 : end]], [file.fileno()])
        self._pending[channel].clear()
        it.setblocking(False)
