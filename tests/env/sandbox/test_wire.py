"""Frames of JSON, and bytes that are none."""

import os
import socket
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.sandbox import wire


def test_too_much_does_not_cross() -> None:
    with pytest.raises(wire.WireError, match="bytes"):
        wire.send(0, "x" * (wire.LARGEST_FRAME + 1))


def test_a_frame_of_too_many_values_is_refused() -> None:
    ours, theirs = socket.socketpair()
    content = b"[" + b"[]," * wire.MOST_PARTS + b"[]]"
    with ours, theirs:
        writing = threading.Thread(
            target=lambda: theirs.sendall(len(content).to_bytes(4, "big") + content)
        )
        writing.start()
        with pytest.raises(wire.WireError, match="values"):
            wire.receive(ours.fileno())
        writing.join()


@given(st.binary(max_size=64))
def test_bytes_are_a_frame_or_refused(content: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    with suppress(wire.WireError):
        wire.receive(reader)
    os.close(reader)


def test_a_line_reads_many_frames_at_once_and_long_ones_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = wire.Line(ours.fileno())
        messages = [1, "two", {"three": [3]}, "x" * 300_000, [], "last"]
        writing = threading.Thread(
            target=lambda: [wire.send(theirs.fileno(), message) for message in messages]
        )
        writing.start()
        assert [line.receive() for _ in messages] == messages
        writing.join()
        line.send("back")
        assert wire.receive(theirs.fileno()) == "back"
        theirs.sendall(b"\0\0\0\x05")  # a frame that is cut off
        theirs.close()
        assert line.receive() is None


def test_a_line_refuses_frames_that_are_none() -> None:
    for sent in (b"\xff\xff\xff\xff", b"\0\0\0\x02no"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(sent)
            with pytest.raises(wire.WireError):
                wire.Line(ours.fileno()).receive()
