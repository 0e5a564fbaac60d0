r"""General solutions with an integer parameter: ``x = \frac{\pi}{6} + 2k\pi, k \in \mathbb{Z}``.

A solution ``a + bk`` is a class of numbers modulo b. Solutions are compared as sets: all are
written modulo a common multiple of their periods, and each class has to be on the other side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from selfcorrect_env.verifiers.math import algebra
from selfcorrect_env.verifiers.math.answer_kinds import (
    Answer,
    Parts,
    Quantity,
    Relation,
    names_in,
)
from selfcorrect_env.verifiers.math.trees import Node, difference, quotient, replaced

Compare = Callable[[Answer, Answer], "bool | None"]
MOST_CLASSES = 64
_INTEGERS = ("name", r"\mathbb{Z}")
_PARAMETERS = frozenset("klmn")


@dataclass(frozen=True, slots=True)
class Family:
    """Answers that depend on one integer."""

    values: tuple[Answer, ...]
    parameter: str


def family(answer: Answer, *, declared: bool = True) -> Family | None:
    """Return an answer as a family, or None if it has no integer parameter.

    Without ``declared``, any k, l, m or n is taken as the parameter.
    """
    parts = (
        answer.parts
        if isinstance(answer, Parts) and answer.kind in ("order", "list")
        else (answer,)
    )
    found = [name for part in parts if (name := _declared(part))]
    values = tuple(part for part in parts if not _declared(part))
    if not found and not declared:
        letters = frozenset().union(*map(names_in, values)) & _PARAMETERS
        found = sorted(letters)
    if len(found) != 1 or not values:
        return None
    return Family(values, found[0])


def same(a: Family, b: Family, compare: Compare) -> bool | None:
    """Return whether two families are the same set of answers."""
    left, right = _progressions(a), _progressions(b)
    if left is not None and right is not None:
        return _same_classes(left, right)
    if len(a.values) != len(b.values):
        return False
    verdicts = [
        _shifted(x, y, a.parameter, b.parameter, compare)
        for x, y in zip(a.values, b.values, strict=True)
    ]
    return False if False in verdicts else None if None in verdicts else True


def _declared(part: Answer) -> str:
    r"""Return the k of ``k \in \mathbb{Z}``, or ""."""
    if not isinstance(part, Relation) or part.signs != (r"\in",):
        return ""
    name, domain = part.sides
    if not (isinstance(name, Quantity) and isinstance(domain, Quantity)):
        return ""
    return name.value[1] if name.value[0] == "name" and domain.value == _INTEGERS else ""


def _progressions(a: Family) -> list[tuple[Node, Node]] | None:
    """Return (a, b) of each ``a + bk``; None if a value is no such progression.

    One with ``(-1)^k`` is two: for even and for odd k.
    """
    found: list[tuple[Node, Node]] = []
    for value in a.values:
        if not isinstance(value, Quantity):
            return None
        one = _progression(value.value, a.parameter, 0, 1)
        even = _progression(value.value, a.parameter, 0, 2)
        odd = _progression(value.value, a.parameter, 1, 2)
        if one is not None:
            found.append(one)
        elif even is not None and odd is not None:
            found += [even, odd]
        else:
            return None
    return found


def _progression(node: Node, name: str, start: int, step: int) -> tuple[Node, Node] | None:
    """Return (a, b) of the values at start, start + step, …; None if their steps differ."""
    ks = range(start, start + 6 * step, step)
    at = [replaced(node, name, ("number", Fraction(k))) for k in ks]
    steps = [algebra.value(difference(high, low)) for low, high in pairwise(at)]
    first = steps[0]
    if first is None or algebra.is_zero(first):
        return None
    if not all(it is not None and algebra.equal(first, it) is True for it in steps):
        return None
    return at[0], difference(at[1], at[0])


def _same_classes(a: list[tuple[Node, Node]], b: list[tuple[Node, Node]]) -> bool | None:
    unit = a[0][1]
    ratios = [_ratio(step, unit) for _, step in (*a, *b)]
    if any(ratio is None for ratio in ratios):
        return False  # periods without a common multiple
    steps = [abs(ratio) for ratio in ratios if ratio is not None]
    common = Fraction(
        math.lcm(*(step.numerator for step in steps)),
        math.gcd(*(step.denominator for step in steps)),
    )
    left = _classes(a, steps[: len(a)], unit, common)
    right = _classes(b, steps[len(a) :], unit, common)
    if left is None or right is None:
        return None
    period = ("product", (("number", common), unit))
    return all(any(_congruent(x, y, period) for y in right) for x in left) and all(
        any(_congruent(x, y, period) for y in left) for x in right
    )


def _classes(
    found: list[tuple[Node, Node]], steps: list[Fraction], unit: Node, common: Fraction
) -> list[Node] | None:
    """Return one number of each class modulo the common period."""
    classes: list[Node] = []
    for (start, _), step in zip(found, steps, strict=True):
        count = common / step
        if len(classes) + count > MOST_CLASSES:
            return None
        for k in range(int(count)):
            classes.append(("sum", (start, ("product", (("number", k * step), unit)))))
    return classes


def _congruent(a: Node, b: Node, period: Node) -> bool:
    ratio = _ratio(difference(a, b), period)
    return ratio is not None and ratio.denominator == 1


def _ratio(a: Node, b: Node) -> Fraction | None:
    """Return a / b if it is rational, as far as the algebra can tell."""
    found = algebra.value(quotient(a, b))
    return algebra.constant(found) if found is not None else None


def _shifted(a: Answer, b: Answer, name: str, other: str, compare: Compare) -> bool | None:
    """Compare two values for each k, up to ``k -> ±k + n`` with a small n."""
    undecided = False
    for sign in (1, -1):
        for shift in (0, 1, -1, 2, -2):
            k: Node = (
                "sum",
                (
                    ("product", (("number", Fraction(sign)), ("name", name))),
                    ("number", Fraction(shift)),
                ),
            )
            if (sign, shift) == (1, 0):
                k = ("name", name)
            verdict = compare(a, _substituted(b, other, k))
            if verdict:
                return True
            undecided = undecided or verdict is None
    return None if undecided else False


def _substituted(answer: Answer, name: str, by: Node) -> Answer:
    if isinstance(answer, Quantity):
        return Quantity(replaced(answer.value, name, by), answer.unit)
    if isinstance(answer, Parts):
        return Parts(answer.kind, tuple(_substituted(part, name, by) for part in answer.parts))
    if isinstance(answer, Relation):
        sides = tuple(_substituted(side, name, by) for side in answer.sides)
        return Relation(sides, answer.signs)
    return answer
