"""The first line of an object's docstring, read from its source without importing it."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def docstring_line(import_path: str) -> str | None:
    """Return the first line of the docstring of the class or function at ``"module:name"``.

    Nothing is imported. A name that the module imports from a module of its own package
    (``from package.module import Name``) is looked up there.

    Returns:
        The line, or None if it can't be read: there is no source, no such definition, or no
        docstring.
    """
    module, _, name = import_path.partition(":")
    for _ in range(len(module.split(".")) + 4):  # re-exports point down: a few steps are enough
        file = source_file(module)
        if file is None:
            return None
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, ValueError, SyntaxError):  # importing it will say why
            return None
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                text = ast.get_docstring(node)
                return text.partition("\n")[0] if text else None
        found = _imported_from(tree, name, module, file)
        if found is None:
            return None
        module, name = found
    return None


def source_file(module: str) -> Path | None:
    """Return the file of a module; only the top-level package is asked of the import system."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # no name, or a module that was made by hand
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        file = Path(spec.origin)
        return file if file.suffix == ".py" else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def _imported_from(tree: ast.Module, name: str, module: str, file: Path) -> tuple[str, str] | None:
    """Return the module that ``name`` is imported from, and its name there."""
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return absolute_module(node, module, file), alias.name
    return None


def absolute_module(node: ast.ImportFrom, module: str, file: Path) -> str:
    """Return the full name of the module that ``node``, in ``module``, imports from."""
    if not node.level:
        return node.module or ""
    drop = node.level - (file.name == "__init__.py")
    parents = module.split(".")
    package = parents[: len(parents) - drop]
    return ".".join([*package, *([node.module] if node.module else [])])
