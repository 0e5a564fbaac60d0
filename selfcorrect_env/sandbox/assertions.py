"""The code of tests, compiled so that a program cannot change what its result is compared with.

A program may change its arguments, and tests may look at them afterwards. In
``assert f(items) == sorted(items)``, though, a program that empties ``items`` would choose what it
is compared with. So what a call's result is compared with is computed before the call, where it
uses the same names and does not call the program. Functions of the tests get copies of lists and
the like for it, which they may change.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Sequence
from types import CodeType
from typing import Any

EXPECTED, COPIED = "__expected__", "__copied__"
"""The names of `before` and `copied` in the namespace of the tests."""

_PURE = frozenset(
    (
        *("abs", "all", "any", "bool", "dict", "enumerate", "filter", "float", "frozenset", "int"),
        *("len", "list", "map", "max", "min", "range", "reversed", "round", "set", "sorted", "str"),
        *("sum", "tuple", "zip"),
    )
)
_NOT_REPEATABLE = frozenset(
    (
        *("next", "iter", "input", "print", "open", "id", "exec", "eval", "compile", "setattr"),
        *("delattr", "getattr", "vars", "globals", "locals", "super", "__import__", "breakpoint"),
    )
)
"""Builtin functions whose results depend on when they are called, or that change something."""
_PURE_METHODS = frozenset(
    (
        *("capitalize", "casefold", "center", "copy", "count", "decode", "difference", "encode"),
        *("endswith", "find", "format", "get", "index", "intersection", "isalpha", "isdigit"),
        *("islower", "issubset", "issuperset", "isupper", "items", "join", "keys", "ljust"),
        *("lower", "lstrip", "most_common", "replace", "rfind", "rjust", "rsplit", "rstrip"),
        *("split", "splitlines", "startswith", "strip", "swapcase", "symmetric_difference"),
        *("title", "union", "upper", "values", "zfill"),
    )
)
_PURE_MODULES = frozenset(
    (
        *("cmath", "collections", "copy", "fractions", "functools", "itertools", "math", "np"),
        *("numpy", "operator", "statistics"),
    )
)
_SIMPLE = (
    *(ast.Name, ast.Constant, ast.Call, ast.Subscript, ast.Slice, ast.BinOp, ast.UnaryOp),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.expr_context, ast.operator, ast.unaryop),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda),
    *(ast.Compare, ast.cmpop, ast.keyword, ast.Attribute, ast.IfExp, ast.BoolOp, ast.boolop),
    *(ast.arguments, ast.arg, ast.Starred),
)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_SEQUENCES, _MAPPINGS = (list, deque), (dict, Counter, OrderedDict, defaultdict)
_CONTAINERS = frozenset((*_SEQUENCES, *_MAPPINGS, tuple, set, bytearray))


@functools.lru_cache(512)
def compiled(
    source: str, file: str, program: frozenset[str] = frozenset()
) -> tuple[CodeType, frozenset[str]]:
    """Return the code of a test, and the standard modules that it names and does not import.

    Args:
        source: the test.
        file: its name in messages.
        program: the names of the program's functions and classes.

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
    tree = ast.fix_missing_locations(_ExpectedFirst(program).visit(tree))
    return compile(tree, file, "exec"), frozenset(loaded - bound) & sys.stdlib_module_names


def before(value: Any, compare: Any) -> Any:
    """Return ``compare(value)`` for a copy of a value, which the comparison cannot change."""
    return compare(copied(value))


def copied(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of a builtin container and of those in it; anything else as it is.

    An object in it is copied as well if it has an equality of its own; of others, a copy would not
    be equal.
    """
    if type(value) not in _CONTAINERS:
        return value
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    if type(value) is tuple:
        return tuple([_copied_item(item, memo) for item in value])
    made = memo[id(value)] = copy.copy(value)
    if type(value) in _SEQUENCES:
        for index, item in enumerate(value):
            made[index] = _copied_item(item, memo)
    elif type(value) in _MAPPINGS:
        for key, item in value.items():
            made[key] = _copied_item(item, memo)
    return made


def _copied_item(item: Any, memo: dict[int, Any]) -> Any:
    kind = type(item)
    if kind in _CONTAINERS:
        return copied(item, memo)
    return item if kind.__eq__ is object.__eq__ else copy.deepcopy(item, memo)


class _ExpectedFirst(ast.NodeTransformer):
    """Has the expected side of a comparison computed before the call on the other side.

    Args:
        program: the names of the program's functions and classes.
    """

    def __init__(self, program: Collection[str]) -> None:
        self._program = program
        self._values = 0

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Rewrite ``f(x) == g(x)`` and ``x == f(x)``."""
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], _COMPARISONS):
            return node
        left, right = node.left, node.comparators[0]
        if self._depends(right, left):
            name = self._new_name()
            return self._before(right, name, ast.Compare(left, node.ops, [name]))
        if self._depends(left, right) and not isinstance(left, ast.Call):
            name = self._new_name()
            return self._before(left, name, ast.Compare(name, node.ops, [right]))
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        """Rewrite ``self.assertEqual(f(x), g(x))`` and ``assert_equal(x, f(x))``."""
        self.generic_visit(node)
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else _name_of(function)
        if not name.startswith("assert"):
            return node
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        first = [(part, self._new_name()) for part in parts if self._is_expected(part, parts)]
        names = {id(part): name for part, name in first}
        call: ast.expr = ast.Call(
            function,
            [names.get(id(part), part) for part in node.args],
            [ast.keyword(it.arg, names.get(id(it.value), it.value)) for it in node.keywords],
        )
        for part, name in first:
            call = self._before(part, name, call)
        return call if first else node

    def _is_expected(self, part: ast.expr, parts: Sequence[ast.expr]) -> bool:
        """Return whether a call in another argument may change the value of this one."""
        place = next(i for i, other in enumerate(parts) if other is part)
        others = [*parts[:place], *([] if isinstance(part, ast.Call) else parts[place + 1 :])]
        return any(self._depends(part, other) for other in others)

    def _depends(self, expected: ast.expr, got: ast.expr) -> bool:
        """Return whether ``expected`` is made of variables that a call in ``got`` may change."""
        if isinstance(expected, ast.Starred):
            return False
        for part in ast.walk(expected):
            if isinstance(part, ast.Call):
                if not self._is_repeatable(part.func):
                    return False
            elif not isinstance(part, _SIMPLE):
                return False
        inside = list(ast.walk(got))
        if any(
            isinstance(p, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom) for p in inside
        ):
            return False
        given = {
            name.id
            for call in inside
            if isinstance(call, ast.Call)
            for argument in (*call.args, *(keyword.value for keyword in call.keywords))
            for name in ast.walk(argument)
            if isinstance(name, ast.Name)
        }
        return bool(_variables(expected) & given)

    def _is_repeatable(self, function: ast.expr) -> bool:
        """Return whether a call may be made earlier: none of the program, and none with effects."""
        if isinstance(function, ast.Attribute):
            return function.attr in _PURE_METHODS or _name_of(function.value) in _PURE_MODULES
        name = _name_of(function)
        return bool(name) and name not in self._program and name not in _NOT_REPEATABLE

    def _new_name(self) -> ast.Name:
        self._values += 1
        return ast.Name(f"__value_{self._values}__", ast.Load())

    def _before(self, expected: ast.expr, name: ast.Name, compare: ast.expr) -> ast.expr:
        """Return an expression that computes ``expected``, then ``compare``, where it is a name."""
        value = self._of_copies(expected)
        call = ast.Call(_load(EXPECTED), [value, _lambda([name.id], compare)], [])
        return ast.copy_location(call, expected)

    def _of_copies(self, expected: ast.expr) -> ast.expr:
        """Return ``expected`` with copies of its variables if it calls functions of the tests."""
        called = {_name_of(p.func) for p in ast.walk(expected) if isinstance(p, ast.Call)}
        if called <= {"", *_PURE}:
            return expected
        names = sorted(_variables(expected) - _bound(expected))
        copies: list[ast.expr] = [ast.Call(_load(COPIED), [_load(name)], []) for name in names]
        return ast.Call(_lambda(names, expected), copies, [])


def _name_of(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""


def _variables(expression: ast.expr) -> set[str]:
    """Return the names in an expression that are not merely called."""
    parts = list(ast.walk(expression))
    called = {id(part.func) for part in parts if isinstance(part, ast.Call)}
    return {p.id for p in parts if isinstance(p, ast.Name) and id(p) not in called}


def _bound(expression: ast.expr) -> set[str]:
    """Return the names that comprehensions and lambdas in an expression bind."""
    parts = list(ast.walk(expression))
    stored = {p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
    return stored | {part.arg for part in parts if isinstance(part, ast.arg)}


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _lambda(names: list[str], body: ast.expr) -> ast.Lambda:
    arguments = [ast.arg(name) for name in names]
    return ast.Lambda(ast.arguments([], arguments, None, [], [], None, []), body)
