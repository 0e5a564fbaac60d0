"""Values that cross between processes, and bytes that are none."""

import math
import os
import socket
import threading
from collections import Counter, OrderedDict, deque, namedtuple
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.sandbox import wire

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.fractions(),
)
HASHABLE = st.one_of(PLAIN, st.tuples(PLAIN, PLAIN))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(HASHABLE, inner),
        st.sets(HASHABLE),
        st.frozensets(HASHABLE),
    ),
    max_leaves=20,
)


def no_handle(*arguments: object) -> int:
    raise AssertionError("a plain value needs no handle")


def through_a_pipe(value: object) -> object:
    """Send a value as one process does, and receive it as the other does."""
    reader, writer = os.pipe()
    try:
        wire.send(writer, wire.encode(value, no_handle))
        return wire.decode(wire.receive(reader), no_handle)
    finally:
        os.close(reader)
        os.close(writer)


@given(VALUES)
def test_plain_values_arrive_as_they_were(value: object) -> None:
    arrived = through_a_pipe(value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(x=1), {"x": 1}),
        (namedtuple("Point", "x y")(1, 2), (1, 2)),
        (deque([1, 2]), deque([1, 2])),
        (Decimal("1.10"), Decimal("1.10")),
        (Fraction(1, 3), Fraction(1, 3)),
        (range(1, 9, 2), range(1, 9, 2)),
        (bytearray(b"x"), bytearray(b"x")),
        (10**4000, 10**4000),
        (-math.inf, -math.inf),
        (str, str),
    ],
)
def test_other_values_arrive_as_builtin_ones(value: object, expected: object) -> None:
    arrived = through_a_pipe(value)
    assert arrived == expected
    assert type(arrived) is type(expected)


def test_nan_and_iterators() -> None:
    assert math.isnan(through_a_pipe(math.nan))  # type: ignore[arg-type]
    assert list(through_a_pipe(map(str, range(3)))) == ["0", "1", "2"]  # type: ignore[call-overload]


def test_what_an_object_says_of_itself_does_not_cross() -> None:
    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    assert through_a_pipe(Liar(0)) != 5
    assert type(through_a_pipe([Liar(0)])[0]) is int  # type: ignore[index]


def test_other_objects_cross_as_handles() -> None:
    kept: list[object] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    thing = object()
    data = wire.encode([thing, 1], keep)
    assert wire.decode(data, lambda number, name: (kept[number], name)) == [(thing, "object"), 1]


def test_too_much_does_not_cross() -> None:
    deep: list = []
    for _ in range(wire.DEEPEST + 2):
        deep = [deep]
    endless = iter(int, 1)
    for value in (deep, endless):
        with pytest.raises(wire.WireError):
            wire.encode(value, no_handle)
    with pytest.raises(wire.WireError, match="bytes"):
        wire.send(0, "x" * (wire.LARGEST_FRAME + 1))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.tuples(st.sampled_from([*"iftcbBlsSQdrqDTno"]), inner).map(list),
        st.tuples(st.sampled_from([*"crdo"]), inner, inner).map(list),
    ),
)


@given(JSON)
def test_nonsense_is_refused_or_a_value(data: object) -> None:
    """What a hostile program may send decodes to something, or raises WireError alone."""
    with suppress(wire.WireError):
        wire.decode(data, lambda number, name: None)


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
