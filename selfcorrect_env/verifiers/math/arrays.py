r"""Answers in rows: matrices and what is computed from them, systems, functions by cases.

A sum, a difference or a product of matrices, a multiple of one and its transpose are computed:
they are matrices, too. A determinant is not computed: it is rows between bars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from selfcorrect_env.verifiers.math.answer_kinds import (
    Answer,
    Parts,
    Quantity,
    Relation,
    Unread,
    Words,
)
from selfcorrect_env.verifiers.math.quantities import Tokens, expression, split, step
from selfcorrect_env.verifiers.math.tokens import Token, TokenKind
from selfcorrect_env.verifiers.math.trees import Node, negative, product

Read: TypeAlias = Callable[[Tokens], Answer]
Matrix: TypeAlias = "list[list[Node]]"
"""Rows of equal lengths."""

_ROW = "\\\\"
_MATRICES = frozenset(["pmatrix", "bmatrix", "matrix", "vmatrix", "Vmatrix", "Bmatrix"])
_SYSTEMS = frozenset(["cases", "aligned", "array", "align", "align*", "gathered"])
_CONDITION = frozenset(["if", "for", "when", "where"])
_OTHERWISE = frozenset(["otherwise", "else"])
_TRANSPOSED = ("T", r"\top")
_NOTHING: Node = ()
_MOST_PRODUCTS = 1000
"""Maximum number of products of two cells."""


def read_array(tokens: Tokens, read: Read) -> Answer | None:
    r"""Read a matrix, a system (``cases``, ``aligned``, ``array``), or a function by cases.

    ``read`` reads a cell.
    """
    if tokens[:1] and tokens[0].text == r"\{":
        tokens = tokens[1:]
    bracketed = len(tokens) > 8 and (tokens[0].text, tokens[-1].text) in (("[", "]"), ("(", ")"))
    tokens = tokens[1:-1] if bracketed else tokens
    if len(tokens) < 8 or tokens[0].text != r"\begin" or tokens[-4].text != r"\end":
        return None
    name = tokens[2].text
    body = tokens[4:-4]
    if body and body[0].text == "{" and name == "array":
        close = next((i for i, token in enumerate(body) if token.text == "}"), 0)
        body = body[close + 1 :]
    if any(token.text == r"\begin" for token in body):
        return None
    rows = [row for row in split(body, (_ROW,)) if row]
    if (bracketed and name == "array") or name in _MATRICES:
        bars = name if name in ("vmatrix", "Vmatrix") else "matrix"
        return _cells(bars, [split(row, ("&",)) for row in rows], read)
    if bracketed or name not in _SYSTEMS:
        return None
    pieces = [_piece(row, read) for row in rows]
    if pieces and all(pieces):
        return Parts("cases", tuple(piece for piece in pieces if piece))
    if name == "cases" and any(token.text == "," for token in body):
        return None
    parts = tuple(_cell(tuple(t for t in row if t.text not in ("&", ",")), read) for row in rows)
    return Parts("list", parts) if all(isinstance(part, Relation) for part in parts) else None


def read_rows(tokens: Tokens, read: Read) -> Answer | None:
    """Read ``[[1, 2], [3, 4]]``: a matrix."""
    rows = _bracketed(tokens)
    if rows is None:
        return None
    cells = [_bracketed(row) for row in rows]
    known = [row for row in cells if row is not None]
    return _cells("matrix", known, read) if len(known) == len(cells) else None


def _bracketed(tokens: Tokens) -> list[Tokens] | None:
    if len(tokens) < 3 or (tokens[0].text, tokens[-1].text) != ("[", "]"):
        return None
    parts = split(tokens[1:-1], (",",))
    depths = [sum(map(step, part)) for part in parts]
    return parts if all(parts) and not any(depths) else None


def _cells(kind: str, cells: list[list[Tokens]], read: Read) -> Parts:
    shape = "x".join(str(len(row)) for row in cells)
    return Parts(f"{kind} {shape}", tuple(_cell(cell, read) for row in cells for cell in row))


def _cell(tokens: Tokens, read: Read) -> Answer:
    return read(tokens) if tokens else Unread("")


def _piece(row: Tokens, read: Read) -> Parts | None:
    r"""Read ``x^2, & x > 0``, ``x^2 \text{ if } x > 0``, ``0 & \text{otherwise}``."""
    depth = 0
    for index, token in enumerate(row):
        depth += step(token)
        if depth == 0 and index and _separates(token):
            break
    else:
        return None
    rest = row[index:]
    while rest and _separates(rest[0]):
        rest = rest[1:]
    rest = tuple(token for token in rest if token.text != "&")
    while rest and rest[-1].text in (",", ".", ";"):
        rest = rest[:-1]
    value, condition = read(row[:index]), _cell(rest, read)
    if not isinstance(value, Quantity):
        return None
    if isinstance(condition, Words):
        otherwise = condition.text in _OTHERWISE
        return Parts("case", (value, Words("otherwise") if otherwise else condition))
    if isinstance(condition, Unread):
        worded = any(token.kind is TokenKind.WORD for token in rest)
        return Parts("case", (value, condition)) if worded else None
    relations = condition.parts if isinstance(condition, Parts) else (condition,)
    known = relations and all(isinstance(part, Relation) for part in relations)
    return Parts("case", (value, condition)) if known else None


def _separates(token: Token) -> bool:
    return token.text in ("&", ",") or token.text.casefold().strip(" ,.") in _CONDITION


def computed_matrix(tokens: Tokens, read: Read) -> Answer | None:
    r"""Read ``2 \begin{pmatrix} … + …``: the matrix that is the value; None if it is none."""
    if not any(token.text == r"\begin" for token in tokens):
        return None
    total: Matrix | None = None
    for sign, term in _terms(tokens):
        found = _product(term, read)
        if found is None:
            return None
        signed = found if sign > 0 else [[negative(cell) for cell in row] for row in found]
        total = signed if total is None else _sum(total, signed)
        if total is None:
            return None
    if total is None:
        return None
    shape = "x".join(str(len(row)) for row in total)
    return Parts(f"matrix {shape}", tuple(Quantity(cell) for row in total for cell in row))


def _terms(tokens: Tokens) -> list[tuple[int, Tokens]]:
    """Split a sum into terms with their signs."""
    terms: list[tuple[int, Tokens]] = []
    depth, start, sign = 0, 0, 1
    for index, token in enumerate(tokens):
        depth += step(token)
        if depth or token.text not in ("+", "-"):
            continue
        if index > start:
            terms.append((sign, tokens[start:index]))
            sign = 1
        sign = -sign if token.text == "-" else sign
        start = index + 1
    return [*terms, (sign, tokens[start:])]


def _product(tokens: Tokens, read: Read) -> Matrix | None:
    """Return the value of a product of matrices and at most one factor before and after."""
    matrix: Matrix | None = None
    factors: list[Node] = []
    while tokens:
        start = next((i for i, t in enumerate(tokens) if t.text == r"\begin"), len(tokens))
        bracketed = 0 < start < len(tokens) and tokens[start - 1].text in ("[", "(")
        start -= bracketed
        if start:
            factor = _factor(tokens[:start])
            if factor is None:
                return None
            factors += [] if factor is _NOTHING else [factor]
        if start == len(tokens):
            break
        end = next((i for i, t in enumerate(tokens) if t.text == r"\end"), len(tokens))
        end += 4 + bracketed
        found = _matrix(read_array(tokens[start:end], read))
        if found is None:
            return None
        exponent, size = _exponent(tokens[end:])
        found = _power(found, exponent)
        if found is None:
            return None
        matrix = found if matrix is None else _times(matrix, found)
        if matrix is None:
            return None
        tokens = tokens[end + size :]
    if matrix is None or not factors:
        return matrix
    return [[product(*factors, cell) for cell in row] for row in matrix]


def _factor(tokens: Tokens) -> Node | None:
    """Read a number before or after a matrix; `_NOTHING` for a sign of multiplication."""
    while tokens and tokens[0].text == "*":
        tokens = tokens[1:]
    while tokens and tokens[-1].text == "*":
        tokens = tokens[:-1]
    if not tokens:
        return _NOTHING
    if tokens[0].text == "/":
        tokens = (Token(TokenKind.NUMBER, "1"), *tokens)
    return expression(tokens)


def _exponent(tokens: Tokens) -> tuple[str, int]:
    r"""Read ``^T``, ``^{\top}`` and ``^2`` at the beginning: the exponent, and its tokens."""
    texts = [token.text for token in tokens[:4]]
    if texts[:1] != ["^"] or len(texts) < 2:
        return "1", 0
    if len(texts) == 4 and texts[1] == "{" and texts[3] == "}":
        return texts[2], 4
    return texts[1], 2


def _power(matrix: Matrix, exponent: str) -> Matrix | None:
    if exponent in _TRANSPOSED:
        return [list(column) for column in zip(*matrix, strict=True)]
    if exponent not in tuple("123456789"):
        return None
    result: Matrix | None = matrix
    for _ in range(int(exponent) - 1):
        result = _times(result, matrix) if result is not None else None
    return result


def _matrix(answer: Answer | None) -> Matrix | None:
    if not isinstance(answer, Parts) or not answer.kind.startswith("matrix "):
        return None
    sizes = {int(size) for size in answer.kind.split()[1].split("x")}
    cells = [part.value for part in answer.parts if isinstance(part, Quantity) and not part.unit]
    if len(sizes) != 1 or len(cells) != len(answer.parts):
        return None
    width = sizes.pop()
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def _sum(a: Matrix, b: Matrix) -> Matrix | None:
    if (len(a), len(a[0])) != (len(b), len(b[0])):
        return None
    return [
        [("sum", (x, y)) for x, y in zip(row, other, strict=True)]
        for row, other in zip(a, b, strict=True)
    ]


def _times(a: Matrix, b: Matrix) -> Matrix | None:
    """Return the product of two matrices, or None if their sizes do not fit or it is large."""
    if len(a[0]) != len(b) or len(a) * len(b) * len(b[0]) > _MOST_PRODUCTS:
        return None
    columns = list(zip(*b, strict=True))
    return [[_inner(row, column) for column in columns] for row in a]


def _inner(row: Sequence[Node], column: Sequence[Node]) -> Node:
    return ("sum", tuple(product(x, y) for x, y in zip(row, column, strict=True)))
