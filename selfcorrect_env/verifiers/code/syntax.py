"""Python source as statements: what a text binds, what it lacks, and how far it is valid."""

from __future__ import annotations

import ast
import builtins
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence

BUDGET = 600_000
"""Maximum number of characters that are parsed for one reply, over all trials."""

TRIALS = 400
"""Maximum number of trials for one reply."""

_WARNINGS = threading.Lock()
_BUILTINS = frozenset(dir(builtins))


class Parser:
    """Parses texts for one reply, within `BUDGET` and `TRIALS`; beyond them nothing is valid."""

    def __init__(self) -> None:
        self.characters, self.trials = BUDGET, TRIALS
        self.failed_at = 0

    @property
    def exhausted(self) -> bool:
        """Whether no further text will be parsed."""
        return not self.trials

    def parse(self, text: str) -> ast.Module | None:
        """Return the tree of a text, or None; ``failed_at`` is then the line of the error."""
        self.failed_at = 0
        if len(text) > self.characters or not self.trials:
            self.trials = 0
            return None
        self.characters -= len(text)
        self.trials -= 1
        try:
            with _WARNINGS, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # for example "\d" in a string that is not raw
                return ast.parse(text)
        except SyntaxError as error:
            self.failed_at = error.lineno or 0
        except (ValueError, RecursionError, MemoryError, OverflowError):
            pass  # a NUL, a lone surrogate, or too deeply nested
        return None

    def longest(self, lines: Sequence[str]) -> tuple[ast.Module, int] | None:
        """Return the tree of the longest valid run of lines from the first, and its length."""
        end = len(lines)
        while end > 0:
            tree = self.parse("\n".join(lines[:end]))
            if tree is not None:
                return (tree, end) if tree.body else None
            if not self.failed_at:
                return None
            end = min(self.failed_at, end) - 1
        return None


def binding(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each name that the top level binds, with its statement.

    A function, a class, an assignment or an import of the standard library binds a name; an import
    of another module may be that of the program itself, in an example of its use.
    """
    for statement in tree.body:
        for node in own_statements([statement]):
            for name in _names(node):
                yield name, statement


def binds(tree: ast.Module, name: str) -> bool:
    """Return whether the top level binds a name."""
    return any(bound == name for bound, _ in binding(tree))


def lacking(
    program: ast.Module, others: Iterable[ast.Module], wanted: Iterable[str] = ()
) -> list[ast.stmt]:
    """Return the statements of others that bind what a program lacks.

    That is what it uses and does not bind, and those of the ``wanted`` names that it does not bind.

    Of several statements that bind a name, the last counts.
    """
    found: dict[str, tuple[int, ast.stmt]] = {}
    for tree in others:
        for name, statement in binding(tree):
            found[name] = (len(found), statement)
    order = {id(statement): number for number, statement in found.values()}
    needed, added = _free(program), {}
    needed |= set(wanted) - {name for name, _ in binding(program)}
    while needed:
        name = needed.pop()
        if name in found and id(found[name][1]) not in added:
            statement = found[name][1]
            added[id(statement)] = statement
            needed |= _free(ast.Module([statement], []))
    return sorted(added.values(), key=lambda statement: order[id(statement)])


def _free(tree: ast.Module) -> set[str]:
    """Return the names that a program loads and binds nowhere."""
    loaded, bound = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        else:
            bound.update(_names(node, anywhere=True))
    return loaded - bound - _BUILTINS


def own_statements(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield statements and those in their branches, but none of a function or a class."""
    for statement in statements:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            children = ast.iter_child_nodes(statement)
            yield from own_statements(
                child
                for child in children
                if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
            )


def _names(node: ast.AST, anywhere: bool = False) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _targets(node.target)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            root = (module or alias.name).partition(".")[0]
            if anywhere or root in sys.stdlib_module_names or root == "numpy":
                yield (alias.asname or alias.name).partition(".")[0]


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _targets(part)
