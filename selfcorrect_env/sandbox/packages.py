"""Installed packages in the sandbox's processes, which have the standard library alone.

Tests may import numpy where it is installed; programs may import the packages that a sandbox is
given. Programs' processes import them before they are confined, so that no file of them has to be
readable then.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

FOR_TESTS = ("numpy",)
"""Packages that tests may import if they are installed."""

_PARTS = {"numpy": ("fft", "linalg", "ma", "polynomial", "random", "testing")}
"""Parts of a package that programs may import and that it does not import by itself."""


def locate(names: Iterable[str]) -> dict[str, str]:
    """Return the folder of each package that is installed, without importing it."""
    found = {}
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is not None and spec.submodule_search_locations:
            found[name] = os.path.realpath(next(iter(spec.submodule_search_locations)))
    return found


def readable(folders: Mapping[str, str]) -> list[str]:
    """Return the folders that a process reads to import packages: theirs and their libraries'."""
    candidates = [path for folder in folders.values() for path in (folder, f"{folder}.libs")]
    return [path for path in candidates if os.path.isdir(path)]


def install(folders: Mapping[str, str]) -> None:
    """Let this process import packages from their folders, and nothing else beside them."""
    if folders:
        sys.meta_path.append(_Finder(folders))


def preimport(folders: Mapping[str, str]) -> None:
    """Import packages and their usual parts."""
    for name in folders:
        importlib.import_module(name)
        for part in _PARTS.get(name, ()):
            importlib.import_module(f"{name}.{part}")


class _Finder:
    """Finds the packages of some folders."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a package is, or None."""
        folder = self._folders.get(name)
        if folder is None:
            return None
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread reserves much address space
        return importlib.util.spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )
