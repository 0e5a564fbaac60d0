r"""Sets of numbers: ``1 < x \le 3``, ``(1, 3]``, ``x \ne 2``, ``\mathbb{R} \setminus \{2\}``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from selfcorrect_env.verifiers.math.answer_kinds import Answer, Parts, Quantity, Relation
from selfcorrect_env.verifiers.math.exact import approximate, rational
from selfcorrect_env.verifiers.math.interval_unions import (
    MINUS_INFINITY,
    Interval,
    NotComparable,
    between,
    complement,
    intersection,
    point,
    united,
)
from selfcorrect_env.verifiers.math.trees import (
    CONSTANTS,
    INFINITY,
    KNOWN,
    Node,
    difference,
    letters,
    names,
    negative,
    product,
    replaced,
)

Operation = Callable[[tuple[Interval, ...], tuple[Interval, ...]], tuple[Interval, ...]]
_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


@dataclass(frozen=True, slots=True)
class RealSet:
    """A union of intervals, of which no two overlap or touch, in no order."""

    intervals: tuple[Interval, ...]
    name: str = ""
    """The letter that it is about: x in ``x > 1``."""
    plain: bool = True
    """Whether it is written without an inequality: such brackets may be a tuple."""


def real_set(answer: Answer) -> RealSet | None:
    """Return an answer as a set of real numbers, or None if it is none."""
    if isinstance(answer, Relation):
        return _of_relation(answer)
    if not isinstance(answer, Parts):
        return None
    if answer.kind == "reals":
        return RealSet((between(MINUS_INFINITY, INFINITY),), plain=False)
    if answer.kind in ("()", "(]", "[)", "[]") and len(answer.parts) == 2:
        return _of_brackets(answer)
    if answer.kind == "minus":
        return _of_operation(answer, lambda a, b: intersection(a, complement(b)))
    if answer.kind == "intersection":
        return _of_operation(answer, intersection)
    if answer.kind in ("union", "list"):
        inside = _inside if answer.kind == "union" else real_set
        found = _known([inside(part) for part in answer.parts])
        names = {it.name for it in found}
        if len(names) != 1 or (answer.kind == "list" and all(it.plain for it in found)):
            return None
        intervals = tuple(interval for it in found for interval in it.intervals)
        return RealSet(_united(intervals), names.pop(), plain=False)
    return _of_all(answer) if answer.kind == "all" else None


def exclusive(conditions: Sequence[Answer]) -> bool:
    """Return whether conditions on one letter exclude each other: ``x < 1`` and ``x > 3``."""
    found = _known([real_set(condition) for condition in conditions])
    if len(found) < 2 or len({it.name for it in found}) != 1:
        return False
    try:
        return not functools.reduce(intersection, (it.intervals for it in found))
    except NotComparable:
        return False


def _inside(part: Answer) -> RealSet | None:
    """Return a part of a union as a set, which may be one of points."""
    if isinstance(part, Parts) and part.kind == "{}":
        values = [it.value for it in part.parts if isinstance(it, Quantity) and it.unit is None]
        points = tuple(map(point, values))
        return RealSet(points, plain=False) if len(points) == len(part.parts) else None
    return real_set(part)


def _known(sets: list[RealSet | None]) -> list[RealSet]:
    """Return sets, or nothing if one is not known."""
    found = [it for it in sets if it is not None]
    return found if len(found) == len(sets) else []


def _united(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    try:
        return united(intervals)
    except NotComparable:
        return intervals


def _of_operation(answer: Parts, operation: Operation) -> RealSet | None:
    """Return an intersection or a difference of sets."""
    found = _known([_inside(part) for part in answer.parts])
    if not found or len({it.name for it in found}) != 1:
        return None
    try:
        intervals = functools.reduce(operation, (it.intervals for it in found))
    except NotComparable:
        return None
    return RealSet(intervals, found[0].name, plain=False)


def _of_brackets(answer: Parts) -> RealSet | None:
    low, high = answer.parts
    if not isinstance(low, Quantity) or not isinstance(high, Quantity):
        return None
    first, last = answer.kind
    return RealSet((between(low.value, high.value, first == "[", last == "]"),))


def _of_relation(relation: Relation) -> RealSet | None:
    if relation.signs == (r"\in",):
        name, inside = _name(relation.sides[0]), real_set(relation.sides[1])
        if not name or inside is None or inside.name:
            return None
        return RealSet(inside.intervals, name, plain=False)
    nodes = [side.value for side in relation.sides if isinstance(side, Quantity)]
    if len(nodes) < len(relation.sides):
        return None
    if relation.signs == (r"\ne",) and (name := _name(relation.sides[0])):
        around = _around([nodes[1]])
        return RealSet(around, name, plain=False) if around else None
    return _of_inequality(nodes, relation.signs)


def _of_inequality(nodes: list[Node], signs: Sequence[str]) -> RealSet | None:
    """Read ``x < a``, ``2x + 1 > a``, ``a < x < b``, ``|x| < a``."""
    if not all(sign in _TURNED for sign in signs) or len(nodes) > 3:
        return None
    if signs[0] in (">", r"\ge") and len(nodes) == 3:
        nodes, signs = nodes[::-1], [_TURNED[sign] for sign in signs[::-1]]
    if len(nodes) == 3 and signs[1] in (">", r"\ge"):
        return None
    lines = [
        _half_line(left, sign, right)
        for (left, right), sign in zip(pairwise(nodes), signs, strict=True)
    ]
    found = [line for line in lines if line is not None]
    if len(found) < len(lines) or len({name for name, _ in found}) != 1:
        return None
    name, interval = found[0]
    if len(found) == 2:
        joined = _intersection(interval, found[1][1])
        if joined is None:
            return None
        interval = joined
    if name.startswith("|"):
        inside = _of_size(interval)
        return RealSet(inside, name.strip("|"), plain=False) if inside else None
    return RealSet((interval,), name, plain=False)


def _half_line(left: Node, sign: str, right: Node) -> tuple[str, Interval] | None:
    """Solve an inequality that is linear in one letter, in ``f(x)`` or in ``|x|``."""
    if not _variable(left) and _variable(right):
        left, sign, right = right, _TURNED[sign], left
    name = _variable(left)
    end = right
    if not name or name.strip("|") in names(right):
        unknown = letters(left) | letters(right)
        if len(unknown) != 1:
            return None
        (name,) = unknown
        low, mid, high = (
            replaced(difference(left, right), name, ("number", Fraction(k))) for k in (0, 1, 2)
        )
        slope = rational(difference(mid, low))
        if not slope or rational(difference(high, mid)) != slope:
            return None
        end = product(low, ("number", -1 / slope))
        sign = sign if slope > 0 else _TURNED[sign]
    if sign in ("<", r"\le"):
        return name, between(MINUS_INFINITY, end, False, sign == r"\le")
    return name, between(end, INFINITY, sign == r"\ge", False)


def _variable(node: Node) -> str:
    """Return the name of x, of ``f(x)`` (f) or of ``|x|`` (|x|), else ""."""
    if node[0] == "name" and node[1] not in CONSTANTS:
        return node[1]
    if node[0] == "call" and node[1] == "abs" and (inside := _variable(node[2][0])):
        return f"|{inside}|"
    return node[1] if node[0] == "call" and node[1] not in KNOWN else ""


def _intersection(a: Interval, b: Interval) -> Interval | None:
    """Return what two half-lines in opposite directions have in common."""
    if a.low == MINUS_INFINITY:
        a, b = b, a
    if a.high != INFINITY or b.low != MINUS_INFINITY:
        return None
    return between(a.low, b.high, a.with_low, b.with_high)


def _of_size(size: Interval) -> tuple[Interval, ...] | None:
    """Return the numbers whose absolute value is in an interval of positive ends."""
    if size.low == MINUS_INFINITY:
        return (between(negative(size.high), size.high, size.with_high, size.with_high),)
    if (approximate(size.low) or 0) <= 0:
        return None
    low = MINUS_INFINITY if size.high == INFINITY else negative(size.high)
    return (
        between(low, negative(size.low), size.with_high, size.with_low),
        size,
    )


def _of_all(answer: Parts) -> RealSet | None:
    """Read ``x > 1, x < 3``; or points that are left out: ``x \\ne 1, x \\ne 2``."""
    relations = [part for part in answer.parts if isinstance(part, Relation)]
    if all(relation.signs == (r"\ne",) for relation in relations):
        names = {_name(relation.sides[0]) for relation in relations}
        points = [it.sides[1].value for it in relations if isinstance(it.sides[1], Quantity)]
        around = _around(points) if len(points) == len(relations) and len(names) == 1 else None
        return RealSet(around, names.pop(), plain=False) if around else None
    sets = [real_set(part) for part in relations]
    whole = (between(MINUS_INFINITY, INFINITY),)
    some = [it for it in sets if it is None or it.intervals != whole]
    if len(some) == 1 and some[0] and {it.name for it in sets if it} == {some[0].name}:
        return some[0]  # "x > 3, x is real"
    found = _known(sets)
    if len({it.name for it in found}) != 1:
        return None
    if len(found) == 2 and all(len(it.intervals) == 1 for it in found):
        joined = _intersection(found[0].intervals[0], found[1].intervals[0])
        if joined is not None:
            return RealSet((joined,), found[0].name, plain=False)
    try:
        intervals = functools.reduce(intersection, (it.intervals for it in found))
    except NotComparable:
        return None
    return RealSet(intervals, found[0].name, plain=False) if intervals else None


def _around(points: list[Node]) -> tuple[Interval, ...] | None:
    """Return the intervals between points, from minus to plus infinity."""
    known = [(approximate(point), point) for point in points]
    if any(size is None for size, _ in known):
        return None
    ordered = [point for _, point in sorted(known, key=lambda item: item[0] or 0.0)]
    ends = [MINUS_INFINITY, *ordered, INFINITY]
    return tuple(between(low, high) for low, high in pairwise(ends))


def _name(answer: Answer) -> str:
    if isinstance(answer, Quantity) and answer.value[0] == "name":
        return answer.value[1]
    return ""
