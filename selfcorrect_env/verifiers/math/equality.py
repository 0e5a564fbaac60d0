r"""Equality of two answers, part by part. Nothing is equal that is not read whole.

`AnswerComparison.same` returns True or False where that is known, and None where expressions have
to be evaluated, which a worker process does (`selfcorrect_env.verifiers.math.symbolic`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from selfcorrect_env.verifiers.math import algebra, solution_sets, units
from selfcorrect_env.verifiers.math.answer_kinds import (
    Answer,
    Parts,
    Quantity,
    Relation,
    Unread,
    Words,
    names_in,
)
from selfcorrect_env.verifiers.math.answers import read_answer, spelling
from selfcorrect_env.verifiers.math.decimals import precise, rounds
from selfcorrect_env.verifiers.math.exact import UndefinedError, rational
from selfcorrect_env.verifiers.math.interval_unions import Interval
from selfcorrect_env.verifiers.math.named_values import NamedValues, named
from selfcorrect_env.verifiers.math.real_sets import RealSet, real_set
from selfcorrect_env.verifiers.math.trees import (
    DEGREE,
    INFINITY,
    Node,
    difference,
    letters,
    names,
    negative,
    product,
)

UNIT_RULES = ("match", "require", "ignore")
"""``match``: a unit may be missing, but two units must agree; ``require``: both sides have the same
unit, or none; ``ignore``: units are not compared."""
_MINUS_INFINITY = negative(INFINITY)
_MOST_PARTS = 40
_LONGEST_INTEGER = 10**4000
"""Python refuses to write integers of more than 4,300 digits."""


@dataclass(frozen=True)
class Options:
    """What counts as equal, beyond exact equality."""

    tolerance: float = 0.0
    """Relative tolerance between a decimal and a number; 0 for none."""
    units: str = "match"
    """One of `UNIT_RULES`."""


Decide = Callable[[Node, Node], "bool | None"]


@dataclass(frozen=True)
class Deciders:
    """How to decide what exact arithmetic leaves open; by default not at all."""

    equal: Decide = lambda a, b: None
    constant_ratio: Decide = lambda a, b: None
    number: Callable[[Node], Fraction | None] = lambda node: None
    """Returns a real constant to at least 50 digits."""


read = functools.lru_cache(maxsize=20_000)(read_answer)
"""`read_answer` with a cache."""
_DECIMAL_COMMA = re.compile(r"\s*-?(?![1-9]\d{0,2},\d{3}\s*$)\d+,\d+\s*")


def normal_form(answer: str) -> str:
    """Return one spelling of an answer; two answers with the same normal form are equal.

    >>> normal_form("0.5") == normal_form(r"\\dfrac{2}{4}") == "1/2"
    True
    """
    found = read(answer)
    if isinstance(found, Words | Unread):
        return found.text
    if isinstance(found, Quantity) and found.unit is None:
        try:
            exact = rational(found.value)
        except UndefinedError:
            exact = None
        if exact is not None and max(map(abs, exact.as_integer_ratio())) < _LONGEST_INTEGER:
            return str(exact)
    return spelling(answer)


@dataclass(frozen=True)
class AnswerComparison:
    """A comparison of answers with given options."""

    options: Options = Options()
    deciders: Deciders = Deciders()

    def same(self, reference: str, answer: str) -> bool | None:
        """Return whether two answers are equal; None if that is not known without `deciders`."""
        ours = read(reference)
        if isinstance(ours, Quantity) and ours.decimal and _DECIMAL_COMMA.fullmatch(answer):
            answer = answer.replace(",", ".")  # where one decimal is asked for
        theirs = read(answer)
        try:
            return self.equal(_only_member(ours), _only_member(theirs))
        except (UndefinedError, RecursionError):
            return False

    def equal(self, a: Answer, b: Answer) -> bool | None:
        """Compare what the reference (``a``) and the reply (``b``) say."""
        if a == b:
            return not _blank(a)
        if isinstance(a, Unread) or isinstance(b, Unread):
            return False
        verdict = self.families(a, b)
        if verdict is not None:
            return verdict
        sets = real_set(a), real_set(b)
        if sets[0] and sets[1] and not (sets[0].plain and sets[1].plain):
            return self.real_sets(sets[0], sets[1])
        if isinstance(a, Relation) or isinstance(b, Relation) or named(a) or named(b):
            return self.relations(a, b)
        if isinstance(a, Words) or isinstance(b, Words):
            return self.words(a, b)
        if isinstance(a, Quantity) and isinstance(b, Quantity):
            return self.quantities(a, b)
        return self.parts(a, b)

    def families(self, a: Answer, b: Answer) -> bool | None:
        """Compare general solutions; None if neither is one, or they are not known to differ."""
        ours = solution_sets.family(a)
        theirs = solution_sets.family(b, declared=ours is None)
        if ours is None and theirs is not None:
            ours = solution_sets.family(a, declared=False)
        if ours is None or theirs is None:
            return None
        left, right = _unnamed(ours.values), _unnamed(theirs.values)
        if left is None or right is None:
            return None
        if left[0] and right[0] and left[0] != right[0]:
            return False
        first = solution_sets.Family(left[1], ours.parameter)
        second = solution_sets.Family(right[1], theirs.parameter)
        return solution_sets.same(first, second, self.equal)

    def real_sets(self, a: RealSet, b: RealSet) -> bool | None:
        """Compare unions of intervals."""
        if a.name and b.name and a.name != b.name:
            return False
        return self.unordered(a.intervals, b.intervals, self.intervals)

    def intervals(self, a: Interval, b: Interval) -> bool | None:
        """Compare two intervals."""
        if (a.with_low, a.with_high) != (b.with_low, b.with_high):
            return False
        return _all([self.values(a.low, b.low), self.values(a.high, b.high)])

    def relations(self, a: Answer, b: Answer) -> bool | None:
        """Compare equations, inequalities and values with names."""
        if isinstance(a, Relation) and isinstance(b, Relation):
            verdict = self.two_relations(a, b)
            if verdict is not False:
                return verdict
        left, right = named(a), named(b)
        if left and right:
            return self.equal(left.value, right.value) if left.names == right.names else False
        if left:
            return self.named_and_plain(left, b, self.equal)
        if right:
            if set(right.names) & (names_in(a) | names_in(right.value)):
                return False
            return self.named_and_plain(right, a, lambda value, plain: self.equal(plain, value))
        if isinstance(a, Parts) and isinstance(b, Parts):
            return self.parts(a, b)
        return self.chains(a, b)

    def named_and_plain(
        self, one: NamedValues, other: Answer, compare: Callable[[Answer, Answer], bool | None]
    ) -> bool | None:
        """Compare values with names to values without; several names are a tuple in their order."""
        if isinstance(other, Relation) and isinstance(one.value, Parts):
            return False
        if isinstance(one.written, Parts) and one.written.kind == "()":
            return compare(one.written, other)
        verdict = compare(one.value, other)
        if verdict is False and one.written and isinstance(other, Parts) and other.kind == "list":
            values = Parts("order", one.written.parts) if isinstance(one.written, Parts) else other
            return compare(values, Parts("order", other.parts))
        return verdict

    def two_relations(self, a: Relation, b: Relation) -> bool | None:
        """Compare two relations: equations up to a factor, others side by side."""
        if a.signs == b.signs and len(a.sides) == len(b.sides):
            sides = _all([self.equal(x, y) for x, y in zip(a.sides, b.sides, strict=True)])
            if sides or a.signs == (r"\equiv", "mod"):
                return self.congruences(a, b) if a.signs == (r"\equiv", "mod") else True
        else:
            sides = False
        if a.signs == b.signs == ("=",):
            zeros = _zeroed(a), _zeroed(b)
            if zeros[0] is None or zeros[1] is None:
                return sides
            return self.equations(zeros[0], zeros[1])
        turned = Relation(b.sides[::-1], tuple(_TURNED.get(sign, sign) for sign in b.signs[::-1]))
        if a.signs == turned.signs and len(a.sides) == len(turned.sides) and sides is False:
            return _all([self.equal(x, y) for x, y in zip(a.sides, turned.sides, strict=True)])
        return sides

    def congruences(self, a: Relation, b: Relation) -> bool | None:
        r"""Compare ``a \equiv b \pmod n``: the same a and n, and remainders that are congruent."""
        if len(b.sides) != 3:
            return False
        values = [side.value for side in (*a.sides[1:], *b.sides[1:]) if isinstance(side, Quantity)]
        rests = [rational(value) for value in values]
        if len(rests) != 4 or None in rests:
            return a == b
        first, modulus, second, other = rests
        if modulus != other or not modulus or first is None or second is None:
            return False
        return self.equal(a.sides[0], b.sides[0]) if (first - second) % modulus == 0 else False

    def equations(self, a: Node, b: Node) -> bool | None:
        """Return whether ``a = 0`` and ``b = 0`` are the same equation."""
        left, right = algebra.value(a), algebra.value(b)
        if left is not None and right is not None:
            if algebra.is_zero(left) or algebra.is_zero(right):
                return False
            if algebra.proportional(left, right):
                return True
            if algebra.independent(left, right):
                return False
        return self.deciders.constant_ratio(a, b)

    def chains(self, a: Answer, b: Answer) -> bool | None:
        r"""Compare a value to a calculation, of which the end counts: ``2 + 3 = 5 \approx 5.0``."""
        if isinstance(a, Relation) and isinstance(b, Relation):
            return False
        if isinstance(a, Relation):
            return self.chains(b, a)
        if not isinstance(b, Relation) or not {*b.signs} <= {"=", r"\approx"}:
            return False
        near = b.signs.index(r"\approx") if r"\approx" in b.signs else len(b.signs)
        exact, rounded = b.sides[: near + 1], b.sides[near + 1 :]
        if isinstance(a, Quantity) and a.decimal and rounded:
            return self.equal(a, rounded[-1])
        if exact == (Words(""),) or not all(_calculated(side, exact[-1]) for side in exact[:-1]):
            return False
        if rounded and isinstance(exact[-1], Quantity) and exact[-1].value[0] == "name":
            return self.equal(a, rounded[-1])  # "x is about 5"
        return self.equal(a, exact[-1])

    def words(self, a: Answer, b: Answer) -> bool:
        """Compare words; a one-letter choice may be in lower case."""
        return isinstance(a, Words) and isinstance(b, Words) and a.text == b.text

    def quantities(self, a: Quantity, b: Quantity) -> bool | None:
        """Compare two expressions with their units."""
        if b.measured is not None and not names(a.value) - {r"\pi", "e", "i"}:
            thousands = b.measured.unit == units.KELVIN and a.unit is None  # "18K"
            return False if thousands else self.quantities(a, b.measured)
        if not self.same_units(a.unit, b.unit):
            return False
        verdicts = [self.numbers(a, b)]
        one, other = (a, b) if a.unit in (units.DEGREE, units.PERCENT) else (b, a)
        if verdicts[0] is not True and one.unit != other.unit and other.unit is None:
            if one.unit == units.DEGREE:
                verdicts.append(self.values(product(one.value, DEGREE), other.value))
            elif one.unit == units.PERCENT:
                hundredth = ("number", Fraction(1, 100))
                verdicts.append(self.values(product(one.value, hundredth), other.value))
        return True if True in verdicts else None if None in verdicts else False

    def same_units(self, a: units.PhysicalUnit | None, b: units.PhysicalUnit | None) -> bool:
        """Return whether the units of the two sides count as equal."""
        if self.options.units == "ignore":
            return True
        if self.options.units == "match":
            return units.compatible(a, b)
        return (None if a and a.neutral else a) == (None if b and b.neutral else b)

    def numbers(self, a: Quantity, b: Quantity) -> bool | None:
        """Compare two expressions, of which one may be a rounded decimal."""
        if _choice(a.value, b.value):
            return True
        equal = self.values(a.value, b.value)
        if equal is True or not (a.decimal or b.decimal):
            return equal
        if names(a.value) | names(b.value) <= {r"\pi", "e"}:
            return self.close(a, b)
        return equal

    def close(self, a: Quantity, b: Quantity) -> bool | None:
        """Return whether a decimal rounds the other side, or is within the tolerance."""
        if not self.options.tolerance and not any(precise(it.decimal) for it in (a, b)):
            return self.values(a.value, b.value)
        first, second = self.number(a.value), self.number(b.value)
        if first is None or second is None:
            return None
        if abs(first - second) <= Fraction(self.options.tolerance) * abs(first):
            return True
        return bool(a.decimal and rounds(a.decimal, second)) or bool(
            b.decimal and rounds(b.decimal, first)
        )

    def number(self, node: Node) -> Fraction | None:
        """Return the value of a constant, exactly or to many digits."""
        exact = rational(node)
        return exact if exact is not None else self.deciders.number(node)

    def values(self, a: Node, b: Node) -> bool | None:
        """Compare two expressions exactly."""
        if a == b:
            algebra.value(a)  # raises UndefinedError
            return True
        if INFINITY in (a, b) or _MINUS_INFINITY in (a, b):
            return False
        left, right = rational(a), rational(b)
        if left is not None and right is not None:
            return left == right
        if left is None and right is None and (_numeral(a) or _numeral(b)):
            return False
        if _numeral(a) or _numeral(b):
            return _without_base(a) == _without_base(b)
        ours, theirs = algebra.value(a), algebra.value(b)
        if ours is not None and theirs is not None:
            verdict = algebra.equal(ours, theirs)
            if verdict is not None:
                return verdict
        return self.deciders.equal(a, b)

    def parts(self, a: Answer, b: Answer) -> bool | None:
        """Compare answers of which at least one has parts."""
        if not (isinstance(a, Parts) and isinstance(b, Parts)):
            return self.one_and_several(a, b)
        if a.kind == b.kind:
            if a.kind in ("list", "all", "union", "intersection"):
                return self.unordered(a.parts, b.parts, self.equal, counted=True)
            if a.kind in ("{}", "cases"):
                return self.unordered(a.parts, b.parts, self.equal)
            return self.ratios(a, b) if a.kind == ":" else self.ordered(a.parts, b.parts)
        kinds = {a.kind, b.kind}
        if kinds == {"{}", "list"}:
            return self.unordered(a.parts, b.parts, self.equal)
        if kinds in ({"()", "list"}, {"()", "<>"}):
            return self.ordered(a.parts, b.parts)
        return False

    def one_and_several(self, a: Answer, b: Answer) -> bool | None:
        """Compare a single answer to one with parts, which may say the same several times."""
        if isinstance(a, Parts) and isinstance(b, Quantity):
            if a.kind == ":":
                return self.ratios(a, Parts(":", (b, Quantity(("number", Fraction(1))))))
            return False
        if isinstance(b, Parts) and isinstance(a, Quantity):
            if b.kind == ":":
                return self.ratios(Parts(":", (a, Quantity(("number", Fraction(1))))), b)
            if b.kind == "list":
                return _all([self.equal(a, part) for part in b.parts])
        return False

    def ratios(self, a: Parts, b: Parts) -> bool | None:
        """Compare ratios: 1:2 is 2:4."""
        ours = [part.value for part in a.parts if isinstance(part, Quantity)]
        theirs = [part.value for part in b.parts if isinstance(part, Quantity)]
        if len(ours) != len(theirs) or len(ours) < 2:
            return False
        if all(rational(value) == 0 for value in theirs[-1:] + ours[-1:]):
            return ours == theirs
        return _all(
            [
                self.values(product(x, theirs[-1]), product(y, ours[-1]))
                for x, y in zip(ours, theirs, strict=True)
            ]
        )

    def ordered(self, a: Sequence[Answer], b: Sequence[Answer]) -> bool | None:
        """Compare in order."""
        if len(a) != len(b):
            return False
        return _all([self.equal(x, y) for x, y in zip(a, b, strict=True)])

    def unordered(
        self, a: Sequence, b: Sequence, compare: Callable, *, counted: bool = False
    ) -> bool | None:
        """Compare without order: each part of one is in the other.

        With ``counted``, the reply has each value of the reference at least as often.
        """
        if not a or not b or len(a) * len(b) > _MOST_PARTS**2 or (counted and len(b) < len(a)):
            return False
        table = [[compare(x, y) for y in b] for x in a]
        columns = [list(column) for column in zip(*table, strict=True)]
        if not all(True in row or None in row for row in (*table, *columns)):
            return False
        exists = all(True in row for row in (*table, *columns))
        if exists and not counted:
            return True
        if any(None in row for row in table):
            return None
        return not counted or all(table.count(row) <= row.count(True) for row in table)


_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}


def _all(verdicts: list[bool | None]) -> bool | None:
    """Return False if any is False, True if all are True, else None."""
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _only_member(a: Answer) -> Answer:
    r"""Return 5 for ``\{5\}``."""
    if isinstance(a, Parts) and a.kind == "{}" and len(a.parts) == 1:
        return a.parts[0] if isinstance(a.parts[0], Quantity) else a
    return a


def _calculated(side: Answer, end: Answer) -> bool:
    """Return whether a side of a calculation says no more than its end: it has no unknown."""
    if not isinstance(side, Quantity):
        return isinstance(side, Unread)
    if side.value[0] == "name" and side.value[1] not in names_in(end):
        return True
    unknown = letters(end.value) if isinstance(end, Quantity) else frozenset()
    return not (letters(side.value) or unknown)


def _blank(a: Answer) -> bool:
    return isinstance(a, Unread | Words) and not a.text


def _numeral(node: Node) -> bool:
    return node[0] == "call" and node[1] == "numeral"


def _without_base(node: Node) -> Node:
    """Return a numeral without its base as a number: one side may leave the base out."""
    if _numeral(node):
        digits = node[2][0][1]
        return ("number", Fraction(digits)) if digits.isdigit() else node
    exact = rational(node)
    return node if exact is None else ("number", exact)


def _choice(a: Node, b: Node) -> bool:
    """Return whether both are the same choice, A to E; the reply may be in lower case."""
    return a[0] == b[0] == "name" and a[1] in tuple("ABCDE") and b[1].upper() == a[1]


def _zeroed(a: Relation) -> Node | None:
    left, right = a.sides
    if isinstance(left, Quantity) and isinstance(right, Quantity) and not (left.unit or right.unit):
        return difference(left.value, right.value)
    return None


def _unnamed(values: tuple[Answer, ...]) -> tuple[tuple[str, ...], tuple[Answer, ...]] | None:
    """Return the common name of several values, and the values without it."""
    found = [named(value) for value in values]
    if len(found) == 1 and found[0] is not None and isinstance(found[0].value, Parts):
        several = found[0].value.kind == "list"
        return found[0].names, found[0].value.parts if several else (found[0].value,)
    if all(it is None for it in found):
        return (), values
    labels = {it.names for it in found if it is not None}
    if None in found and len(found) > 1 and found[0] is None:
        return None
    if len(labels) != 1:
        return None
    return labels.pop(), tuple(
        it.value if it else value for it, value in zip(found, values, strict=True)
    )
