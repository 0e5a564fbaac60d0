"""Names of a package that are imported on first use, so that importing it loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def on_first_use(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562).

    Args:
        package: the package's ``__name__``.
        names: module of the package -> names in it.
    """
    module_of = {name: module for module, found in names.items() for name in found}

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return __getattr__
