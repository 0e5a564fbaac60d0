"""Code shared by the sets of code problems: a `Problem` with a program and its tests."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from selfcorrect_env.errors import ProblemSetError
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.types import Problem


def code_problem(
    *,
    id: str,
    prompt: str,
    reference: str,
    tests: Sequence[str],
    names: Sequence[str],
    setup: str = "",
    stub: str = "",
    prelude: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a code problem in the form that the verifier ``code`` requires.

    Args:
        id: unique in its set.
        prompt: the statement.
        reference: a complete program that passes the tests.
        tests: pieces of Python code, run in order; each raises if the program is wrong.
        names: the functions and classes of the program that the tests use, the most important
            one first. Tests can access the program only through these names.
        setup: trusted Python code that runs before the tests, in the checker.
        stub: prepended to a reply that does not define the first of ``names``.
        prelude: imports that are prepended to every program.
        metadata: further metadata.

    Raises:
        ProblemSetError: there is no test, or no name.
    """
    if not tests:
        raise ProblemSetError(f"Code problem {id!r} has no test, so no reply could be wrong.")
    if not names:
        raise ProblemSetError(f"Code problem {id!r}: its tests use no name of the program.")
    metadata = {
        **(metadata or {}),
        "tests": list(tests),
        "names": list(names),
        "setup": setup,
        "stub": stub,
        **({"prelude": prelude} if prelude else {}),
    }
    return Problem(id=id, prompt=prompt, reference=reference, metadata=metadata)


def names_used(program: str, tests: Sequence[str]) -> tuple[list[str], str]:
    """Return what tests use of a program: names defined at its top level, and its imports.

    The names are in the order of their use; the imports are statements, for the tests' setup.
    Call this for the reference, never for a reply: a reply that defines ``len`` or ``set`` must
    not change the meaning of a test.

    Raises:
        SyntaxError: the program or a test is not valid Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for example "\\d" in a string that is not raw
        module = ast.parse(program)
        used = [
            node.id
            for test in tests
            for node in ast.walk(ast.parse(test))
            if isinstance(node, ast.Name)
        ]
    defined, imported = _defined(module), _imported(module)
    names = [name for name in dict.fromkeys(used) if name in defined]
    imports = [imported[name] for name in dict.fromkeys(used) if name in imported]
    return names, "\n".join(dict.fromkeys(imports))


def _defined(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _imported(module: ast.Module) -> dict[str, str]:
    """Return the names bound by a module's imports, with the statement of each."""
    return {
        (alias.asname or alias.name).partition(".")[0]: ast.unparse(node)
        for node in module.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def text_of(where: str, row: Row, column: str) -> str:
    """Return the text in a column of a row; raise `ProblemSetError` if there is none."""
    value = row.get(column)
    if isinstance(value, str):
        return value
    raise ProblemSetError(
        f"{where}: expected text in the column {column!r}, got {type(value).__name__} "
        f"({value!r:.60}). It has {', '.join(map(repr, row)) or 'no column'}."
    )


def texts_of(where: str, row: Row, column: str) -> list[str]:
    """Return the list of texts in a column of a row; raise `ProblemSetError` if there is none."""
    value = row.get(column)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise ProblemSetError(
        f"{where}: expected a list of texts in the column {column!r}, got {value!r:.60}."
    )
