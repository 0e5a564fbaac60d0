"""The code of tests, compiled so that a program cannot change what its result is compared with.

A program may change its arguments, and tests may look at them afterwards. In
``assert f(items) == sorted(items)``, though, a program that empties ``items`` would choose what it
is compared with. So what a call's result is compared with is computed before the call, where it
uses the same names and nothing but them and builtin functions.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from types import CodeType
from typing import Any

EXPECTED = "__expected__"
"""The name of `before` in the namespace of the tests."""

_PURE = frozenset(
    (
        *("abs", "all", "any", "bool", "dict", "enumerate", "filter", "float", "frozenset", "int"),
        *("len", "list", "map", "max", "min", "range", "reversed", "round", "set", "sorted", "str"),
        *("sum", "tuple", "zip"),
    )
)
_SIMPLE = (
    *(ast.Name, ast.Constant, ast.Call, ast.Subscript, ast.Slice, ast.BinOp, ast.UnaryOp),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.expr_context, ast.operator, ast.unaryop),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda),
    *(ast.Compare, ast.cmpop, ast.keyword, ast.Attribute, ast.IfExp, ast.BoolOp, ast.boolop),
    *(ast.arguments, ast.arg, ast.Starred),
)


@functools.lru_cache(512)
def compiled(source: str, file: str) -> tuple[CodeType, frozenset[str]]:
    """Return the code of a test, and the standard modules that it names and does not import.

    Raises:
        SyntaxError: it is not valid Python.
    """
    tree = ast.parse(source, file)
    loaded, bound = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
    tree = ast.fix_missing_locations(_ExpectedFirst().visit(tree))
    return compile(tree, file, "exec"), frozenset(loaded - bound) & sys.stdlib_module_names


def before(value: Any, compare: Any) -> Any:
    """Return ``compare(value)`` for a copy of a value, which the comparison cannot change."""
    kept = copy.deepcopy(value) if type(value) in (list, dict, set, bytearray) else value
    return compare(kept)


class _ExpectedFirst(ast.NodeTransformer):
    """Has the expected side of a comparison computed before the call on the other side."""

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Rewrite ``f(x) == g(x)`` and ``x == f(x)``."""
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            return node
        left, right = node.left, node.comparators[0]
        if _depends(right, left):
            return _before(right, lambda name: ast.Compare(left, node.ops, [name]))
        if _depends(left, right) and not isinstance(left, ast.Call):
            return _before(left, lambda name: ast.Compare(name, node.ops, [right]))
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        """Rewrite ``self.assertEqual(f(x), g(x))``."""
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name.startswith("assert") and len(node.args) > 1 and _depends(*node.args[1::-1]):
            got, expected, *rest = node.args
            return _before(
                expected, lambda name: ast.Call(node.func, [got, name, *rest], node.keywords)
            )
        return node


def _depends(expected: ast.expr, got: ast.expr) -> bool:
    """Return whether ``expected`` is made of variables that a call in ``got`` may change."""
    parts = list(ast.walk(expected))
    called = {id(part.func) for part in parts if isinstance(part, ast.Call)}
    for part in parts:
        if isinstance(part, ast.Call):
            function = part.func
            if not isinstance(function, ast.Name) or function.id not in _PURE:
                return False
        elif not isinstance(part, _SIMPLE):
            return False
    used = {p.id for p in parts if isinstance(p, ast.Name) and id(p) not in called}
    inside = list(ast.walk(got))
    if any(isinstance(p, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for p in inside):
        return False
    given = {
        name.id
        for call in inside
        if isinstance(call, ast.Call)
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for name in ast.walk(argument)
        if isinstance(name, ast.Name)
    }
    return bool(used & given)


def _before(expected: ast.expr, compare: Any) -> ast.expr:
    """Return an expression that computes ``expected``, then compares with it."""
    name = "__value__"
    argument = ast.arguments([], [ast.arg(name)], None, [], [], None, [])
    body = compare(ast.Name(name, ast.Load()))
    call = ast.Call(ast.Name(EXPECTED, ast.Load()), [expected, ast.Lambda(argument, body)], [])
    return ast.copy_location(call, expected)
