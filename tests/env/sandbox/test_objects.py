"""Values that cross a bridge: immutable ones, containers in step, and messages that are none."""

from __future__ import annotations

import json
import math
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env.sandbox.objects import Objects
from selfcorrect_env.sandbox.wire import WireError

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.fractions(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
)
HASHABLE = st.one_of(PLAIN, st.tuples(PLAIN, PLAIN))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.dictionaries(HASHABLE, inner),
        st.dictionaries(HASHABLE, inner).map(OrderedDict),
        st.sets(HASHABLE),
        st.frozensets(HASHABLE),
        st.lists(HASHABLE).map(Counter),
    ),
    max_leaves=20,
)


def sides() -> tuple[Objects, Objects]:
    """Return the two sides of a bridge: that of the tests, and that of the program."""
    bridge = SimpleNamespace(known=frozenset(), request=None)
    return (
        Objects(bridge, parity=0, trusting=False, running=lambda tag, proxy: proxy),
        Objects(bridge, parity=1, trusting=True, running=lambda tag, proxy: proxy),
    )


def cross(sender: Objects, receiver: Objects, *values: Any) -> list[Any]:
    """Send values as one process does, and receive them as the other does."""
    return receiver.unpacked(json.loads(json.dumps(sender.packed(values))))


def there(value: Any) -> Any:
    """Return what arrives of a program's value."""
    tests, program = sides()
    return cross(program, tests, value)[0]


@given(VALUES)
def test_plain_values_arrive_as_they_were_and_come_back_as_themselves(value: object) -> None:
    tests, program = sides()
    (arrived,) = cross(program, tests, value)
    assert arrived == value
    assert type(arrived) is type(value)
    (back,) = cross(tests, program, arrived)
    assert back == value
    if isinstance(value, list | dict | set | deque):
        assert back is value


@pytest.mark.parametrize(
    "value",
    [
        Counter("aab"),
        OrderedDict(x=1),
        deque([1, 2]),
        Decimal("1.10"),
        Fraction(1, 3),
        range(1, 9, 2),
        slice(1, None, 2),
        bytearray(b"x"),
        10**4000,
        -math.inf,
        str,
        ...,
        NotImplemented,
        date(2020, 2, 29),
        datetime(2020, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1), "CET"), fold=1),
        time(1, 2, 3, tzinfo=timezone.utc),
        timedelta(days=-1, seconds=5),
        uuid.UUID(int=5),
        PurePosixPath("a/b"),
        {1: [2, {3: {4}}]},
        [[], [[]], ()],
    ],
)
def test_values_of_the_standard_library_arrive(value: object) -> None:
    arrived = there(value)
    assert arrived == value
    assert type(arrived) is type(value)


def test_nan_minus_zero_views_and_default_factories() -> None:
    assert math.isnan(there(math.nan))
    assert math.copysign(1, there(-0.0)) == -1
    assert there({1: 2}.keys()) == {1}
    assert list(there({1: [2]}.values())) == [[2]]
    assert there({1: 2}.items()) == {(1, 2)}
    counts = there(defaultdict(int, a=1))
    assert counts["b"] == 0
    assert counts == {"a": 1, "b": 0}
    assert there("\ud800") == "\ud800"


def test_named_tuples_are_tuples_with_their_fields() -> None:
    point = there(namedtuple("Point", "x y")(1, [2]))
    assert point == (1, [2])
    assert point.x == 1
    assert point._asdict() == {"x": 1, "y": [2]}


def test_what_an_object_says_of_itself_does_not_cross() -> None:
    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    class Longer(list):
        def __len__(self) -> int:
            return 3

    class Named(tuple):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = tuple.__hash__

    assert there(Liar(0)) != 5
    assert type(there([Liar(0)])[0]) is int
    assert len(there(Longer([1]))) == 1
    assert there(Named((1,))) != (2,)


# -- containers in step ------------------------------------------------------------------------
def test_what_one_side_changes_the_other_sees() -> None:
    tests, program = sides()
    outer: list[Any] = [1, {"a": {2}}]
    (there,) = cross(tests, program, outer)
    there[1]["a"].add(3)
    there.append(there)
    cross(program, tests, None)
    assert outer[1] == {"a": {2, 3}}
    assert outer[2] is outer
    outer.clear()
    cross(tests, program, None)
    assert there == []


def test_a_container_keeps_its_identity_and_its_order() -> None:
    tests, program = sides()
    shared: dict[str, int] = {"b": 1, "a": 2}
    (first, second), third = cross(tests, program, [shared, shared], shared)
    assert first is second is third
    first["c"] = first.pop("b")
    assert cross(program, tests, first)[0] is shared
    assert list(shared) == ["a", "c"]


def test_what_the_tests_no_longer_have_is_not_kept() -> None:
    tests, program = sides()
    for number in range(100):
        cross(tests, program, [number])
        cross(program, tests, [number])
    assert len(tests._containers._entries) <= 2
    assert len(program._containers._entries) <= 3


def test_a_message_that_cannot_be_sent_changes_nothing() -> None:
    tests, program = sides()
    items = [1]
    (there,) = cross(tests, program, items)
    deep: tuple = ()
    for _ in range(300):
        deep = (deep,)
    items.append(2)
    with pytest.raises(WireError, match="deep"):
        tests.packed(([items], deep))
    cross(tests, program, None)
    assert there == [1, 2]


# -- what a hostile program may send -----------------------------------------------------------
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.tuples(st.sampled_from([*"iftcbSrqDTvwoKnNegaM&", "vk", "dt", "de"]), inner).map(list),
        st.tuples(st.sampled_from([*"crodvnNe", "da", "vi"]), inner, inner).map(list),
    ),
)


@given(JSON, JSON, JSON)
def test_nonsense_is_refused_or_a_value(value: object, contents: object, drop: object) -> None:
    tests, _ = sides()
    with suppress(WireError):
        tests.unpacked({"v": [value], "h": contents, "drop": drop})
    with suppress(WireError):
        tests.unpacked({"v": [value], "h": [[1, "d", contents], [3, "l", [value]]]})
    with suppress(WireError):
        tests.unpacked({"v": contents})


@pytest.mark.parametrize(
    "message",
    [
        {"v": [["q", "1e999999999"]]},
        {"v": [["q", hex(7**100_000), hex(3**100_000)]]},
        {"v": [["S", [["i", hex(k * (2**61 - 1))] for k in range(1, 5000)]]]},
        {"v": [1], "h": [[1, "d", [[["i", hex(k * (2**61 - 1))], 0] for k in range(1, 5000)]]]},
        {"v": [1], "h": [[1, "s", [["i", hex(k * (2**61 - 1))] for k in range(1, 5000)]]]},
        {"v": [1], "h": [[0, "l", []]]},
        {"v": [["w", 0]]},
        {"v": [["w", -1]]},
        {"v": [["w", True]]},
        {"v": [["M", "os", "system"]]},
        {"v": [["T", "eval"]]},
        {"v": [["o", 0, [0, "not a name", ["__len__"], [], "eval", []]]]},
        {"v": [["e", ["T", "int"], [], "", 0]]},
        {"v": [["n", [0, "P", [], [], "tuple", ["__class__"]], []]]},
    ],
)
def test_costly_and_forged_values_are_refused(message: dict) -> None:
    tests, _ = sides()
    with pytest.raises(WireError):
        tests.unpacked(message)
