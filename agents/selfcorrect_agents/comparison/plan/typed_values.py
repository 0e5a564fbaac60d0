"""Values of a TOML or JSON file as dataclasses; unknown keys and wrong types are refused."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.training.config import flat_fields, from_flat
from selfcorrect_env import UnknownNameError

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return ``cls(**values)`` of a dataclass.

    Args:
        cls: a dataclass.
        values: field name -> table, list, text or number, as a TOML or JSON file holds them. A
            table becomes a dataclass if the field is one.
        where: what the values are, for messages ("compare.toml, [methods.base] learning").

    Raises:
        ComparisonError: an unknown key, a value of another type than the field's, a missing
            value, or one that the dataclass itself refuses.
    """
    return _build(lambda given: cls(**given), field_types(cls), values, where)


def build_flat(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return a configuration with ``values`` by flat name; arguments and errors as `build`'s."""
    return _build(lambda given: from_flat(cls, given), flat_fields(cls), values, where)


def _build(
    make: Callable[[dict[str, Any]], T],
    hints: Mapping[str, Any],
    values: Mapping[str, Any],
    where: str,
) -> T:
    require_known(values, hints, where)
    fitted = {key: fit(value, hints[key], f"{where}: {key}") for key, value in values.items()}
    try:
        return make(fitted)
    except ComparisonError:
        raise
    except (TypeError, ValueError) as error:
        raise ComparisonError(f"{where}: {error}") from error


def field_types(cls: type[Any]) -> dict[str, Any]:
    """Return the fields that a dataclass's constructor takes, each with its type."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def require_known(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    """Raise unless every key of ``values`` is in ``known``."""
    for key in values:
        if key not in known:
            raise ComparisonError(f"{where}: {UnknownNameError.of('key', key, known)}")


def fit(value: Any, hint: Any, where: str) -> Any:
    """Return ``value`` as a ``hint``: a list as a tuple, a whole number as a float.

    A type that a file cannot hold (a class of a method's own) is left to the dataclass's check.

    Raises:
        ComparisonError: the value is of another type.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (bool, int, float, str):
        if type(value) is not hint:
            raise _wrong(where, NAMES[hint], value)
        return value
    if origin is Literal:
        if value not in inner:
            raise _wrong(where, "one of " + ", ".join(map(repr, inner)), value)
        return value
    if origin in (Union, types.UnionType):
        return _fit_union(value, inner, where)
    if origin is tuple:
        return _fit_tuple(value, inner, where)
    if origin in (list, Sequence):
        return [fit(item, inner[0], where) for item in _a_list(value, where)]
    if hint is dict or origin in (dict, Mapping):
        return _fit_table(value, inner, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(hint, _a_table(value, where), where)
    return value


NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
}


def _fit_union(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    refusals = []
    for choice in choices:
        if choice is type(None):
            if value is None:
                return None
            continue
        try:
            return fit(value, choice, where)
        except ComparisonError as error:
            refusals.append(error)
    raise refusals[0]


def _fit_tuple(value: Any, inner: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    items = _a_list(value, where)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(fit(item, inner[0], where) for item in items)
    if len(items) != len(inner):
        raise _wrong(where, f"a list of {len(inner)}", value)
    return tuple(fit(item, kind, where) for item, kind in zip(items, inner, strict=True))


def _fit_table(value: Any, inner: tuple[Any, ...], where: str) -> Mapping[str, Any]:
    table = _a_table(value, where)
    if len(inner) != 2 or inner[1] is Any:
        return table
    return {key: fit(item, inner[1], f"{where}: {key}") for key, item in table.items()}


def _a_table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a table", value)
    return value


def _a_list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    return value


def _wrong(where: str, expected: str, value: Any) -> ComparisonError:
    return ComparisonError(f"{where} must be {expected}, got {value!r}.")
