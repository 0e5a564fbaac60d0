"""Unions of intervals of real numbers: in one form, joined, intersected, complemented.

Ends are compared exactly, or as floats that clearly differ; ends with letters are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from selfcorrect_env.verifiers.math import algebra
from selfcorrect_env.verifiers.math.exact import UndefinedError, approximate, rational
from selfcorrect_env.verifiers.math.trees import INFINITY, Node, negative

MINUS_INFINITY = negative(INFINITY)
_MOST = 40
_CLEAR = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval; an infinite end is open. A point has itself as both ends."""

    low: Node
    high: Node
    with_low: bool
    with_high: bool


class NotComparable(Exception):  # noqa: N818  no error: such a union stays as it is written
    """Two ends of which neither is known to be larger."""


def between(low: Node, high: Node, with_low: bool = False, with_high: bool = False) -> Interval:
    """Return an interval, an open one by default."""
    return Interval(low, high, with_low, with_high)


def point(node: Node) -> Interval:
    """Return the interval of one number."""
    return Interval(node, node, True, True)


def united(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return disjoint intervals in order, of which no two touch.

    Raises:
        NotComparable: an order of two ends is not known.
    """
    found: list[Interval] = []
    for interval in _in_order([it for it in intervals if not _empty(it)]):
        if found and _touches(found[-1], interval):
            found[-1] = _joined(found[-1], interval)
        else:
            found.append(interval)
    return tuple(found)


def complement(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return all real numbers outside of intervals.

    Raises:
        NotComparable: an order of two ends is not known.
    """
    found: list[Interval] = []
    low, with_low = MINUS_INFINITY, False
    for interval in united(intervals):
        if interval.low != MINUS_INFINITY:
            found.append(Interval(low, interval.low, with_low, not interval.with_low))
        low, with_low = interval.high, not interval.with_high
    if low != INFINITY:
        found.append(Interval(low, INFINITY, with_low, False))
    return tuple(found)


def intersection(a: Iterable[Interval], b: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what two unions have in common.

    Raises:
        NotComparable: an order of two ends is not known.
    """
    return complement((*complement(a), *complement(b)))


def _order(a: Node, b: Node) -> int:
    """Return -1, 0 or 1 for ``a < b``, ``a == b``, ``a > b``."""
    if a == b:
        return 0
    if a == MINUS_INFINITY or b == INFINITY:
        return -1
    if a == INFINITY or b == MINUS_INFINITY:
        return 1
    try:
        left, right = rational(a), rational(b)
    except UndefinedError:
        raise NotComparable from None
    if left is not None and right is not None:
        return (left > right) - (left < right)
    first, second = approximate(a), approximate(b)
    if first is None or second is None:
        raise NotComparable
    if abs(first - second) > _CLEAR * max(1.0, abs(first), abs(second)):
        return 1 if first > second else -1
    ours, theirs = algebra.value(a), algebra.value(b)
    if ours is not None and theirs is not None and algebra.equal(ours, theirs):
        return 0
    raise NotComparable


def _empty(interval: Interval) -> bool:
    order = _order(interval.low, interval.high)
    return order > 0 or (order == 0 and not (interval.with_low and interval.with_high))


def _in_order(intervals: list[Interval]) -> list[Interval]:
    if len(intervals) > _MOST:
        raise NotComparable
    found: list[Interval] = []
    for interval in intervals:  # by insertion, as not all ends can be compared
        index = len(found)
        while index and _before(interval, found[index - 1]):
            index -= 1
        found.insert(index, interval)
    return found


def _before(a: Interval, b: Interval) -> bool:
    order = _order(a.low, b.low)
    return order < 0 or (order == 0 and a.with_low and not b.with_low)


def _touches(a: Interval, b: Interval) -> bool:
    """Return whether an interval reaches one that does not begin before it."""
    order = _order(b.low, a.high)
    return order < 0 or (order == 0 and (a.with_high or b.with_low))


def _joined(a: Interval, b: Interval) -> Interval:
    order = _order(a.high, b.high)
    if order == 0:
        return replace(a, with_high=a.with_high or b.with_high)
    return a if order > 0 else replace(a, high=b.high, with_high=b.with_high)
