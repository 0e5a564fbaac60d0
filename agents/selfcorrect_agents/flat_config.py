"""The flat form of a composed configuration: one dict of names and values.

A configuration is a dataclass; its fields that are dataclasses are its parts. The fields of a part
keep their names; those of a part of a part get the inner part's name in front: ``lora.rank``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_type_hints

from selfcorrect_env import UnknownNameError

T = TypeVar("T")


def flat(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration and of its parts as one flat dict.

    Raises:
        ValueError: two fields have the same flat name.
    """
    flat_fields(type(config))  # refuses ambiguous names
    return _flat(config, inner=False)


def from_flat(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return ``cls`` with ``values`` by flat name; fields that are not named keep their default.

    Args:
        cls: a dataclass, such as a method's configuration.
        values: by flat name.

    Raises:
        UnknownNameError: a name is of no field.
        ValueError: a value is invalid, or two fields have the same flat name.
    """
    known = flat_fields(cls)
    for name in values:
        if name not in known:
            raise UnknownNameError.of(f"field of {cls.__name__}", name, known)
    return _filled(cls, values, inner=False)


def changed(config: T, **values: Any) -> T:
    """Return a copy of a configuration with other values, by flat name; see `from_flat`."""
    return from_flat(type(config), {**flat(config), **values})


def flat_fields(cls: type[Any]) -> dict[str, Any]:
    """Return the flat names of a configuration's fields, each with its type.

    Raises:
        ValueError: two fields have the same flat name.
    """
    return _fields(cls, inner=False)


def _fields(cls: type[Any], *, inner: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, hint in _constructor_fields(cls).items():
        fields = {name: hint}
        if _is_part(hint):
            fields = _prefixed(name if inner else "", _fields(hint, inner=True))
        for key, kind in fields.items():
            if key in found:
                raise ValueError(
                    f"{cls.__name__} has two fields named {key!r}; a flat name must be unique."
                )
            found[key] = kind
    return found


def _flat(config: Any, *, inner: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, hint in _constructor_fields(type(config)).items():
        value = getattr(config, name)
        if _is_part(hint):
            values |= _prefixed(name if inner else "", _flat(value, inner=True))
        else:
            values[name] = value
    return values


def _filled(cls: type[T], values: Mapping[str, Any], *, inner: bool) -> T:
    given: dict[str, Any] = {}
    for name, hint in _constructor_fields(cls).items():
        if not _is_part(hint):
            given |= {name: values[name]} if name in values else {}
            continue
        prefix = f"{name}." if inner else ""
        own = {
            key: values[prefix + key] for key in _fields(hint, inner=True) if prefix + key in values
        }
        if own:
            given[name] = _filled(hint, {**_default(cls, name), **own}, inner=True)
    return cls(**given)


def _default(cls: type[Any], name: str) -> dict[str, Any]:
    """Return the flat default of a part; empty if it has none."""
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    if field.default is not dataclasses.MISSING:
        return _flat(field.default, inner=True)
    if field.default_factory is not dataclasses.MISSING:
        return _flat(field.default_factory(), inner=True)
    return {}


@cache
def _constructor_fields(cls: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _is_part(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _prefixed(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in values.items()} if prefix else values
