"""One look-up for everything that a user names: agents, verifiers, problem sets, prompts, commands.

A name refers to one of ours, to an entry point of another package, or is an import path
``"module:attribute"``; they are tried in this order. Another package adds a part with an entry
point in one of these groups, without a change to this package:

    selfcorrect_env.agents      an agent: a class with Config and from_config, an object, a function
    selfcorrect_env.learning    the dataclass ``Learning`` of an agent, by the agent's name
    selfcorrect_env.verifiers   a `Verifier`, a class of one, or a function (problem, response)
    selfcorrect_env.problems    a `Source`, or a function (split, **options) -> ProblemSet
    selfcorrect_env.prompts     a `Prompts`
    selfcorrect_env.backends    a class or function of options -> `selfcorrect_env.sandbox.Backend`
    selfcorrect_env.commands    a function (argv) -> exit status
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any

from selfcorrect_env.errors import PluginWarning, SelfCorrectError, UnknownNameError
from selfcorrect_env.notices import warn

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Registry:
    """The things of one kind that a user can name.

    >>> registry = Registry("constant", "no.such.group", {"pi": "math:pi"})
    >>> registry.load("pi") == registry.load("math:pi")
    True
    """

    kind: str
    """What a name refers to, in messages: ``"verifier"``."""
    group: str
    """The entry-point group of other packages."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """Our own by name: an import path ``"module:attribute"``, or the thing itself."""
    error: type[SelfCorrectError] = SelfCorrectError
    """Raised if the object that a name refers to cannot be imported."""
    unknown: type[UnknownNameError] = UnknownNameError
    """Raised if nothing has the name."""
    hint: str = "An import path module:attribute also works."
    """The last sentence of its message."""

    def load(self, name: str) -> Any:
        """Import and return the thing called ``name``.

        Raises:
            UnknownNameError: nothing has this name (`unknown`).
            SelfCorrectError: it cannot be imported (`error`).
        """
        if name in self.own:
            own = self.own[name]
            return import_attribute(own) if isinstance(own, str) else own
        installed = self.installed()
        try:
            if name in installed:
                return _load(installed[name])
            if is_import_path(name):
                return import_attribute(name)
        except Exception as error:  # another package's module may raise anything
            raise self.cannot_import(name, error) from error
        raise self.unknown.of(self.kind, name, {*self.own, *installed}, self.hint)

    def cannot_import(self, name: str, cause: BaseException) -> SelfCorrectError:
        """Return the error for a thing that raised ``cause`` when it was imported."""
        if isinstance(cause, ImportError):
            reason = str(cause).removeprefix(f"{name!r}: ")  # as `import_attribute` begins
        else:
            *_, last = traceback.extract_tb(cause.__traceback__)
            reason = f"{type(cause).__name__}: {cause} ({last.filename}, line {last.lineno})"
        kind = self.kind[0].upper() + self.kind[1:]
        return self.error(f"{kind} {name!r} cannot be imported: {reason}")

    def installed(self) -> dict[str, EntryPoint]:
        """Return the entry points of other packages by name; none of them is imported."""
        return {name: point for name, point in _points(self.group).items() if name not in self.own}

    def origins(self) -> dict[str, str]:
        """Return where each entry point comes from: ``"module:attribute, from package."``."""
        return {name: origin(point) for name, point in self.installed().items()}


def import_attribute(path: str) -> Any:
    """Import and return the object at ``"module:attribute"``; the current folder is searched too.

    Raises:
        ImportError: there is no such module, or it has no such attribute.
    """
    module, _, attribute = path.partition(":")
    if os.getcwd() not in sys.path:  # a console script does not search the current folder
        sys.path.insert(0, os.getcwd())
    found = importlib.import_module(module)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise ImportError(f"{path!r}: {error}") from error
    return found


def is_import_path(name: str) -> bool:
    r"""Return whether ``name`` has the form ``module:attribute``.

    >>> is_import_path("my.module:thing"), is_import_path("math"), is_import_path("C:\\x.jsonl")
    (True, False, False)
    """
    return _IMPORT_PATH.fullmatch(name) is not None


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except AttributeError as error:
        raise ImportError(f"the entry point {point.value!r}: {error}") from error


def origin(point: EntryPoint) -> str:
    """Return where an entry point comes from, without importing it."""
    return f"{point.value}, from {point.dist.name}." if point.dist else point.value


def _points(group: str) -> Mapping[str, EntryPoint]:
    return _points_of(group, tuple((path, _changed_at(path)) for path in sys.path))


def _changed_at(path: str) -> int | None:
    """Return when a folder was last changed, which installing a package into it does."""
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=32)
def _points_of(
    group: str, searched: tuple[tuple[str, int | None], ...]
) -> Mapping[str, EntryPoint]:
    """Read the entry points; reading takes some 50 ms with 200 installed packages."""
    try:
        return {point.name: point for point in entry_points(group=group)}
    except Exception:  # one package's malformed entry_points.txt makes the call fail for all
        return _points_one_by_one(group)


def _points_one_by_one(group: str) -> dict[str, EntryPoint]:
    points: dict[str, EntryPoint] = {}
    for distribution in distributions():
        try:
            found = distribution.entry_points.select(group=group)
        except Exception as error:
            message = (
                f"The entry points of the installed package {distribution.name!r} cannot be "
                f"read ({type(error).__name__}: {error}). Reinstall or remove it."
            )
            warn(message, PluginWarning)
            continue
        for point in found:
            points.setdefault(point.name, point)
    return points
