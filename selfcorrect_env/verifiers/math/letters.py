r"""What the letters of an expression stand for.

A letter that occurs to an odd power in a root or logarithm of a single term, as in
``\sqrt{\frac{a}{b}}`` or ``\ln x``, is positive; a letter under a factorial, in a binomial, as a
bound of a sum or as an exponent of a negative number is a positive integer; all others are real
numbers of either sign.
"""

from __future__ import annotations

from fractions import Fraction

from selfcorrect_env.verifiers.math.trees import CONSTANTS, Node, children, names


def free_letters(node: Node) -> frozenset[str]:
    """Return the free letters of an expression."""
    if node[0] == "call" and node[1] in ("sum", "prod", "integral", "lim"):
        bound = node[2][0][1]
        return frozenset().union(*map(free_letters, node[2])) - {bound}
    if node[0] == "call" and node[1] == "numeral":
        return frozenset()
    if node[0] in ("number", "name"):
        return names(node) - CONSTANTS
    return frozenset().union(*map(free_letters, children(node)))


def kinds(node: Node) -> set[tuple[str, str]]:
    """Return what is known of letters: ("x", "positive"), ("n", "integer")."""
    found: set[tuple[str, str]] = set()
    for child in children(node):
        found |= kinds(child)
    if node[0] == "power":
        exponent = literal(node[2])
        if exponent is None or exponent.denominator % 2 == 0:
            found |= _positive(node[1])
        base = literal(node[1])
        if base is not None and base < 0:
            found |= {(name, "integer") for name in free_letters(node[2])}
    elif node[0] == "call":
        kind, arguments = node[1], node[2]
        if kind == "root":
            degree = literal(arguments[1])
            found |= _positive(arguments[0]) if degree is None or degree % 2 == 0 else set()
        elif kind in ("ln", "log"):
            found |= _positive(arguments[0])
        elif kind in ("factorial", "binomial", "gcd", "lcm"):
            found |= {(name, "integer") for name in free_letters(node)}
        elif kind in ("sum", "prod"):
            bounds = free_letters(arguments[1]) | free_letters(arguments[2])
            found |= {(name, kind) for name in bounds for kind in ("integer", "bound")}
    return found


def _positive(node: Node) -> set[tuple[str, str]]:
    single = _single_term(node)
    return {(name, "positive") for name, power in (single or {}).items() if power.numerator % 2}


def _single_term(node: Node) -> dict[str, Fraction] | None:
    """Return the exponents of the letters of a single term, or None if it is a sum."""
    if node[0] == "number":
        return {}
    if node[0] == "name":
        return {} if node[1] in CONSTANTS else {node[1]: Fraction(1)}
    if node[0] == "power" and (exponent := literal(node[2])) is not None:
        inside = _single_term(node[1])
        return None if inside is None else {n: p * exponent for n, p in inside.items()}
    if node[0] == "call" and node[1] == "root" and (degree := literal(node[2][1])):
        radicand: Node = node[2][0]
        inside = _single_term(radicand)
        return None if inside is None else {n: p / degree for n, p in inside.items()}
    if node[0] != "product":
        return None
    total: dict[str, Fraction] = {}
    for factor in children(node):
        inside = _single_term(factor)
        if inside is None:
            return None
        for name, power in inside.items():
            total[name] = total.get(name, Fraction(0)) + power
    return total


def literal(node: Node) -> Fraction | None:
    """Return a number, or a product of numbers: 1/3 is 1 times 3^-1."""
    if node[0] == "number":
        return node[1]
    if node[0] == "product":
        total = Fraction(1)
        for factor in node[1]:
            value = literal(factor)
            if value is None:
                return None
            total *= value
        return total
    if node[0] == "power" and node[2] == ("number", Fraction(-1)):
        below = literal(node[1])
        return 1 / below if below else None
    return None
