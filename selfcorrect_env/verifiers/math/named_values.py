r"""Answers with names: ``x = 2, y = 1`` is (2, 1), ``x = 2 or x = 3`` is 2, 3, ``x = 5`` is 5."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect_env.verifiers.math.answer_kinds import (
    Answer,
    Parts,
    Quantity,
    Relation,
    Words,
    names_in,
)
from selfcorrect_env.verifiers.math.ordered_products import ORDERED
from selfcorrect_env.verifiers.math.trees import MINUS_ONE, Node, children

_CONSTANTS = frozenset(["e", "i", r"\pi", r"\infty"])


@dataclass(frozen=True, slots=True)
class NamedValues:
    """An answer without its names."""

    names: tuple[str, ...]
    """In alphabetical order, Greek after Latin letters; empty if it has none."""
    value: Answer
    """For several names a tuple of their values, in the order of the names."""
    written: Answer | None = None
    r"""The values of several names in the order in which they are written: a list, or a tuple for
    ``(r, \theta) = (3, \pi)``, which keeps its order."""


def named(answer: Answer) -> NamedValues | None:
    """Return an answer that names its values without the names; None if it names none."""
    if isinstance(answer, Relation):
        return _element(answer) if answer.signs == (r"\in",) else _assignment(answer)
    if not isinstance(answer, Parts) or answer.kind not in ("list", "order", "all"):
        return None
    found = [_assignment(part) if isinstance(part, Relation) else None for part in answer.parts]
    if any(it is None for it in found):
        return None
    return _grouped([it for it in found if it is not None])


def _element(relation: Relation) -> NamedValues | None:
    r"""Read ``x \in \{1, 2\}``: a set of values; those of several names are tuples."""
    own, values = _names_of(relation.sides[0]), relation.sides[1]
    if not own or not isinstance(values, Parts) or values.kind != "{}":
        return None
    if set(own) & names_in(values):
        return None
    if len(own) > 1:
        pairs = [_assignment(Relation((relation.sides[0], it), ("=",))) for it in values.parts]
        values = Parts("{}", tuple(pair.value for pair in pairs if pair is not None))
        if len(values.parts) < len(pairs):
            return None
        own = tuple(sorted(own, key=_order))
    single = len(values.parts) == 1
    return NamedValues(own, values.parts[0] if single else values)


def _assignment(relation: Relation) -> NamedValues | None:
    """Read ``x = 5``, ``5 = x``, ``f(x) = 5``, ``(x, y) = (1, 2)``, ``x = 2 + 3 = 5``."""
    sides, signs = relation.sides, relation.signs
    if any(sign != "=" for sign in signs):
        return None
    if len(sides) == 2 and not _names_of(sides[0]) and _names_of(sides[1]):
        sides = sides[::-1]
    name, value = sides[0], sides[-1]
    own = _names_of(name)
    if not own or (len(sides) == 2 and set(own) & names_in(value)):
        return None
    if len(own) > 1:
        if not isinstance(value, Parts) or value.kind != "()" or len(value.parts) != len(own):
            return None
        pairs = sorted(zip(own, value.parts, strict=True), key=lambda pair: _order(pair[0]))
        values = Parts("()", tuple(v for _, v in pairs))
        return NamedValues(tuple(n for n, _ in pairs), values, value)
    return NamedValues(own, value)


def _names_of(answer: Answer) -> tuple[str, ...]:
    """Return the names on the left of an equation, or () if it is no name."""
    if isinstance(answer, Words):
        return (answer.text,)
    if isinstance(answer, Parts) and answer.kind == ":":
        parts = [_names_of(part) for part in answer.parts]
        return (":".join(part[0] for part in parts),) if all(parts) else ()
    if isinstance(answer, Parts) and answer.kind == "()":
        found = [_names_of(part) for part in answer.parts]
        return tuple(it[0] for it in found) if all(len(it) == 1 for it in found) else ()
    if not isinstance(answer, Quantity) or answer.unit is not None:
        return ()
    node = answer.value
    if node[0] == "name" and node[1] not in _CONSTANTS:
        return (node[1],)
    if (
        node[0] == "call"
        and node[1] not in ("numeral", "root", "abs", *ORDERED)
        and _plain(node[2])
    ):
        return (node[1],)
    return (str(node),) if _of_points(node) else ()


def _of_points(node: Node) -> bool:
    r"""Return whether it is made of capital letters: ``AB``, ``|AB|``, ``\frac{NO}{BO}``."""
    if node[0] == "name":
        return node[1][0].isupper()
    if node[0] == "power":
        return node[2] == MINUS_ONE and _of_points(node[1])
    known = node[0] == "product" or (node[0] == "call" and node[1] == "abs")
    return known and all(map(_of_points, children(node)))


def _plain(arguments: tuple[Node, ...]) -> bool:
    return all(it[0] == "name" and it[1] not in _CONSTANTS for it in arguments)


def _order(name: str) -> tuple[bool, str]:
    """Return what names are sorted by: Greek letters after Latin ones."""
    return name.startswith("\\"), name


def _grouped(found: list[NamedValues]) -> NamedValues | None:
    """Read ``p=5, q=2; p=7, q=2`` as two pairs, ``x=2, x=3`` as two values."""
    if any(len(it.names) != 1 for it in found):
        return None
    own = sorted({it.names[0] for it in found}, key=_order)
    if len(own) == 1:
        return NamedValues(tuple(own), Parts("list", tuple(it.value for it in found)))
    size = len(own)
    groups = [found[start : start + size] for start in range(0, len(found), size)]
    tuples: list[Answer] = []
    for group in groups:
        ordered = sorted(group, key=lambda it: _order(it.names[0]))
        if [it.names[0] for it in ordered] != own:
            return None
        tuples.append(Parts("()", tuple(it.value for it in ordered)))
    if len(tuples) > 1:
        return NamedValues(tuple(own), Parts("list", tuple(tuples)))
    return NamedValues(tuple(own), tuples[0], Parts("list", tuple(it.value for it in found)))
