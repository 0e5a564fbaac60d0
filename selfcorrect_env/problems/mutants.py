"""Wrong programs made from right ones by one small change each, like a programmer's slip."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Iterator
from random import Random

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATIONS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}


def mutants(program: str, seed: str) -> list[str]:
    """Return programs with one change to ``program`` each, in an order determined by ``seed``.

    A change replaces a comparison or an operation, adds 1 to a number or subtracts 1, swaps ``and``
    and ``or``, removes a ``not``, negates a condition, or removes a statement. Some of the
    programs may compute the same as ``program``.

    Raises:
        SyntaxError: ``program`` is not valid Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for example "\\d" in a string that is not raw
        tree = ast.parse(program)
    original = ast.unparse(tree)
    count = sum(1 for _ in ast.walk(tree))
    found: dict[str, None] = {}
    for index in range(count):
        for variant in range(_variants(_node(tree, index))):
            changed = copy.deepcopy(tree)
            _change(_node(changed, index), variant)
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text != original:
                found[f"{text}\n"] = None
    programs = list(found)
    Random(seed).shuffle(programs)
    return programs


def _node(tree: ast.AST, index: int) -> ast.AST:
    walk: Iterator[ast.AST] = ast.walk(tree)
    for _ in range(index):
        next(walk)
    return next(walk)


def _variants(node: ast.AST) -> int:
    """Return the number of ways in which a node can be changed."""
    if isinstance(node, ast.Compare):
        return len(_COMPARISONS.get(type(node.ops[0]), ()))
    if isinstance(node, ast.BinOp):
        return len(_OPERATIONS.get(type(node.op), ()))
    if isinstance(node, ast.Constant):
        return 2 if type(node.value) is int else 0
    if isinstance(node, ast.UnaryOp):
        return int(isinstance(node.op, ast.Not))
    if isinstance(node, ast.BoolOp | ast.If | ast.While | ast.IfExp):
        return 1
    body = getattr(node, "body", None)
    return 1 if isinstance(node, ast.FunctionDef | ast.For) and body and len(body) > 1 else 0


def _change(node: ast.AST, variant: int) -> None:
    """Change a node in place, in one of its `_variants`."""
    if isinstance(node, ast.Compare):
        node.ops[0] = _COMPARISONS[type(node.ops[0])][variant]()
    elif isinstance(node, ast.BinOp):
        node.op = _OPERATIONS[type(node.op)][variant]()
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        node.value += 1 if variant else -1
    elif isinstance(node, ast.UnaryOp):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.FunctionDef | ast.For):
        del node.body[-2]
