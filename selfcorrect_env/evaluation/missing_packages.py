"""Which packages an import would lack, read from the source without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec

from selfcorrect_env.docstrings import absolute_module, source_file


def missing_packages(module: str) -> list[str]:
    """Return the top-level packages that importing ``module`` would lack, sorted.

    The imports at the top of the module's source are followed through the modules of its own
    package. Imports inside functions are not looked at: they are not needed to import it.
    """
    return Sources().missing_packages(module)


class Sources:
    """The sources of modules, each of which is read once."""

    def __init__(self) -> None:
        self._imports: dict[str, tuple[str, ...]] = {}
        self._found: dict[str, bool] = {}

    def missing_packages(self, module: str) -> list[str]:
        """Return the top-level packages that importing ``module`` would lack, sorted."""
        own = module.partition(".")[0]
        missing: set[str] = set() if self._is_found(own) else {own}
        waiting, seen = [module], set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for imported in self._imports_of(name):
                top = imported.partition(".")[0]
                if top == own:
                    waiting.append(imported)
                elif not self._is_found(top):
                    missing.add(top)
        return sorted(missing)

    def _imports_of(self, module: str) -> tuple[str, ...]:
        if module not in self._imports:
            self._imports[module] = tuple(_imports(module))
        return self._imports[module]

    def _is_found(self, package: str) -> bool:
        if package not in self._found:
            self._found[package] = _found(package)
        return self._found[package]


def _imports(module: str) -> Iterator[str]:
    """Yield the modules that ``module`` and the packages it is in import when they are loaded."""
    parent = module.rpartition(".")[0]
    if parent:
        yield parent
    file = source_file(module)
    if file is None:
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError):  # importing it will say why
        return
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_module(node, module, file)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _found(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
