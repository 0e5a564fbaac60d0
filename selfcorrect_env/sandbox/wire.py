"""Exchange of JSON between two processes without trust, in frames.

A frame is the length of the JSON text in four bytes, big-endian, then the text.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

LARGEST_FRAME = 16 * 2**20
"""Maximum size of a frame in bytes; longer frames are rejected."""

JOB_SIZE = 8
"""Size in bytes of the identity of a job, which its start, its end and its verdict carry."""

_PIECE = 2**16
"""Size in bytes of what is read at once; fewer than `MOST_PARTS`, and than `LARGEST_FRAME`."""
MOST_PARTS = 2**21
"""Maximum number of values in a frame."""


_ENCODER = json.JSONEncoder(check_circular=False, separators=(",", ":"))
_scanned = json.JSONDecoder().raw_decode  # `json.loads` allows for other encodings and white space


def _encoder() -> Callable[[Any], str]:
    """Return what `_ENCODER.encode` does, without the function that it makes for each call."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _ENCODER.encode
    it = _ENCODER
    options = (it.indent, it.key_separator, it.item_separator, it.sort_keys, it.skipkeys)
    pieces = make(None, it.default, json.encoder.encode_basestring_ascii, *options, it.allow_nan)
    return lambda message: "".join(pieces(message, 0))


_dumps = _encoder()


class WireError(Exception):
    """A value that cannot be encoded, or an invalid frame."""


def send(descriptor: int, message: Any) -> None:
    """Write a frame: its length in four bytes, then JSON.

    Raises:
        WireError: the frame is longer than `LARGEST_FRAME`.
        OSError: the other side has closed.
    """
    content = _dumps(message).encode()
    if len(content) > LARGEST_FRAME:
        raise WireError(f"a message of {len(content):,} bytes; at most {LARGEST_FRAME:,} cross")
    frame = len(content).to_bytes(4, "big") + content
    written = os.write(descriptor, frame)
    rest = memoryview(frame)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> Any:
    """Read a frame, or return None if the other side has closed.

    Raises:
        WireError: the frame is invalid.
    """
    return _frame(lambda size: _read(descriptor, size))


class Line:
    """A descriptor from which only this process reads, and only frames.

    It reads as many bytes as are available and buffers the rest, so most frames take one system
    call.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._buffer = b""

    def send(self, message: Any) -> None:
        """Write a frame; see `send`."""
        send(self.descriptor, message)

    def receive(self) -> Any:
        """Read a frame; see `receive`."""
        if not self._buffer:
            try:
                piece = os.read(self.descriptor, _PIECE)
            except ConnectionError:
                return None
            if len(piece) - 4 == int.from_bytes(piece[:4], "big"):  # a whole frame, as most are
                return _parsed(piece[4:])
            self._buffer = piece
        return _frame(self._take)

    def _take(self, size: int) -> bytes | None:
        parts, missing = [self._buffer], size - len(self._buffer)
        while missing > 0:
            try:
                part = os.read(self.descriptor, min(max(missing, _PIECE), 1 << 20))
            except ConnectionError:
                return None
            if not part:
                return None
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts) if len(parts) > 1 else self._buffer
        self._buffer = data[size:]
        return data[:size]


def _frame(read: Callable[[int], bytes | None]) -> Any:
    head = read(4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > LARGEST_FRAME:
        raise WireError(f"a frame of {length:,} bytes; at most {LARGEST_FRAME:,} are read")
    content = read(length)
    if content is None:
        return None
    if length > MOST_PARTS and content.count(b",") + content.count(b"[") > MOST_PARTS:
        raise WireError(f"a frame of more than {MOST_PARTS:,} values")
    return _parsed(content)


def _parsed(content: bytes) -> Any:
    try:
        text = content.decode()
        message, end = _scanned(text)
        if end != len(text):
            raise ValueError
        return message
    except (ValueError, RecursionError):
        raise WireError("a frame that is not JSON") from None


def _read(descriptor: int, size: int) -> bytes | None:
    parts, missing = [], size
    while missing:
        try:
            part = os.read(descriptor, min(missing, 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
