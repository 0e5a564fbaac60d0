"""Checks that the options of a named problem set have the types that its function declares."""

from __future__ import annotations

import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any


def check_options(name: str, load: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise a TypeError for an option that ``load`` does not have or whose type is wrong.

    Args:
        name: the problem set's name, for the message.
        load: the function ``(split, **options) -> ProblemSet``. An argument without annotation,
            or annotated with a type that is not a plain one, accepts every value.
        options: the options.
    """
    parameters = list(inspect.signature(load).parameters.values())[1:]
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    any_option = any(p.kind is p.VAR_KEYWORD for p in parameters)
    hints = _hints(load)
    for option, value in options.items():
        if option not in known and not any_option:
            raise TypeError(
                f"Problem set {name!r} has no option {option!r}; it has "
                f"{', '.join(known) or 'none'}."
            )
        if option in hints and option in known and not _fits(value, hints[option]):
            raise TypeError(
                f"Option {option!r} of problem set {name!r} must be {_words(hints[option])}, "
                f"got {value!r:.60} ({type(value).__name__})."
            )


def _hints(load: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(load)
    except (NameError, TypeError):  # annotations of names that exist for type checkers only
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if hint in (None, types.NoneType):
        return value is None
    if hint in (int, float):
        numbers = (int,) if hint is int else (int, float)
        integral = hasattr(value, "__index__")  # numpy's integers
        return not isinstance(value, bool) and (isinstance(value, numbers) or integral)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is os.PathLike or origin is os.PathLike:
        return isinstance(value, os.PathLike)
    if isinstance(origin, type) and isinstance(value, str):  # Iterable[int] is not a text
        return str in typing.get_args(hint)
    return not isinstance(origin, type) or isinstance(value, origin)


def _words(hint: Any) -> str:
    """Return a hint as a person would say it: "int or None", "text or a path"."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part) for part in typing.get_args(hint))
    plain = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    if hint in (None, types.NoneType):
        return "None"
    if hint is os.PathLike or origin is os.PathLike:
        return "a path"
    if hint in plain:
        return plain[hint]
    return str(hint).replace("collections.abc.", "").replace("typing.", "")
