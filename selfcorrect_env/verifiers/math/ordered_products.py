r"""Products whose factors do not commute: vector products, and products of matrices by name.

``\mathbf{u} \times \mathbf{v}`` and ``\mathbf{A}\mathbf{B}`` are calls of functions without a known
value, so they are equal only to themselves, and to what follows from the rules below.
"""

from __future__ import annotations

import re
from fractions import Fraction

from selfcorrect_env.verifiers.math.trees import ZERO, Node, names, negative

CROSS, MATRICES = "cross product", "matrix product"
ORDERED = (CROSS, MATRICES)
"""Names of the functions that stand for them."""

_VECTOR = re.compile(r"\\(?:vec|overrightarrow|mathbf|boldsymbol|bm|hat|widehat)\{")
_MATRIX = re.compile(r"\\(?:mathbf|boldsymbol|bm)\{[A-Z]")


def crossed(a: Node, b: Node) -> list[Node]:
    r"""Return the factors of ``a \times b``; of two vectors it is minus ``b \times a``."""
    if not (_has_name(_VECTOR, a) and _has_name(_VECTOR, b)):
        return [a, b]
    if a == b:
        return [ZERO]
    if repr(a) < repr(b):
        return [("call", CROSS, (a, b))]
    return [negative(("call", CROSS, (b, a)))]


def multiplied(a: Node, b: Node) -> list[Node]:
    """Return the factors of a product without a sign; those of matrices keep their order."""
    if not (_has_name(_MATRIX, a) and _has_name(_MATRIX, b)):
        return [a, b]
    *before, last = a[2] if a[0] == "call" and a[1] == MATRICES else (a,)
    (base, power), (other, more) = _power(last), _power(b)
    if base == other:
        total = power + more
        ends = [] if total == 0 else [base if total == 1 else ("power", base, ("number", total))]
    else:
        ends = [last, b]
    factors = (*before, *ends)
    if len(factors) < 2:
        return list(factors) or [("number", Fraction(1))]
    return [("call", MATRICES, factors)]


def _power(node: Node) -> tuple[Node, Fraction]:
    if node[0] == "power" and node[2][0] == "number":
        return node[1], node[2][1]
    return node, Fraction(1)


def _has_name(pattern: re.Pattern[str], node: Node) -> bool:
    return any(pattern.match(name) for name in names(node))
