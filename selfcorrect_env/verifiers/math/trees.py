"""Expressions as trees: nested tuples, which can be compared and hashed.

- ``("number", Fraction)``; ``("name", "x_1")``: a letter, or another thing with a name;
- ``("sum", (a, b, …))``, ``("product", (a, b, …))``, ``("power", base, exponent)``;
- ``("call", "sin", (a, …))``: a known function (`KNOWN`) or an unknown one, such as ``f``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

Node: TypeAlias = "tuple[Any, ...]"

_KNOWN = (
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot arcsec arccsc ln log "
    "abs floor ceil factorial binomial gcd lcm max min sum prod integral root lim antiderivative"
)
KNOWN = frozenset(_KNOWN.split())
"""Functions that have a value; all others are only names."""
CONSTANTS = frozenset(["e", "i", r"\pi", r"\infty"])
"""Names that are no letters."""

ZERO: Node = ("number", Fraction(0))
ONE: Node = ("number", Fraction(1))
MINUS_ONE: Node = ("number", Fraction(-1))
DEGREE: Node = ("product", (("name", r"\pi"), ("number", Fraction(1, 180))))
INFINITY: Node = ("name", r"\infty")


def product(*factors: Node) -> Node:
    """Return a product; that of one factor is the factor."""
    return factors[0] if len(factors) == 1 else ("product", factors)


def quotient(above: Node, below: Node) -> Node:
    """Return ``above / below``."""
    return ("product", (above, ("power", below, MINUS_ONE)))


def negative(node: Node) -> Node:
    """Return ``-node``."""
    if node[0] == "number":
        return ("number", -node[1])
    return ("product", (MINUS_ONE, node))


def difference(a: Node, b: Node) -> Node:
    """Return ``a - b``."""
    return ("sum", (a, negative(b)))


def names(node: Node) -> frozenset[str]:
    """Return the names in a tree, without those of functions."""
    if node[0] == "name":
        return frozenset([node[1]])
    return frozenset().union(*(names(child) for child in children(node)))


def children(node: Node) -> tuple[Node, ...]:
    """Return the trees directly below a tree."""
    kind = node[0]
    if kind in ("number", "name"):
        return ()
    if kind == "power":
        return node[1:]
    return node[2] if kind == "call" else node[1]


def replaced(node: Node, name: str, by: Node) -> Node:
    """Return the tree with ``by`` in the place of a name."""
    if node[0] == "name":
        return by if node[1] == name else node
    if node[0] == "number":
        return node
    below = tuple(replaced(child, name, by) for child in children(node))
    if node[0] == "power":
        return ("power", *below)
    return ("call", node[1], below) if node[0] == "call" else (node[0], below)


def letters(node: Node) -> frozenset[str]:
    """Return the names in a tree that are no constants."""
    return names(node) - CONSTANTS


def functions(node: Node) -> frozenset[str]:
    """Return the names of the functions in a tree."""
    own = frozenset([node[1]]) if node[0] == "call" else frozenset()
    return own.union(*map(functions, children(node)))
