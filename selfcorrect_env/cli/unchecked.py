"""Options that are checked after parsing: so that our message is printed, in one line.

tyro prints a box of six lines if a nested dataclass refuses its values. Here it fills twins of the
dataclasses that check nothing; the dataclasses themselves are built from those afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from selfcorrect_env.cli.option_help import help_of


def twin_of(
    cls: type[Any], types: Mapping[str, Any] | None = None, *, described: bool = False
) -> type[Any]:
    """Return a dataclass with the fields and docs of ``cls`` and of its parts and no checks.

    Args:
        cls: the dataclass.
        types: other types for its text fields, and those of its parts, by their names.
        described: whether its fields are described as `help_of` says, for a help text.
    """
    types = types or {}
    fields = []
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if not field.init or _is_part(hints[field.name]):
            continue
        part, *extras = _unwrapped(hints[field.name])
        changed = part is str and field.name in types
        about = help_of(cls, field, extras) if described else None
        if changed or about is not None:
            # the field's own annotations come last: they win
            extras = extras if about is None else [about, *extras]
            part = types[field.name] if changed else part
            hint = Annotated[(part, *extras)] if extras else part
            fields.append((field.name, hint, _same_default(field)))
    for field, hint in _part_fields(cls):
        part, *extras = _unwrapped(hint)
        twin = twin_of(part, types, described=described)
        annotated = Annotated[(twin, *extras)] if extras else twin
        fields.append((field.name, annotated, _default(field, twin)))
    frozen = cls.__dataclass_params__.frozen
    namespace = {"__post_init__": lambda self: None, "__doc__": cls.__doc__}
    return dataclasses.make_dataclass(
        cls.__name__, fields, bases=(cls,), namespace=namespace, frozen=frozen, kw_only=True
    )


def twin_instance(twin: type[Any], config: Any) -> Any:
    """Return the values of ``config`` in its twin."""
    parts = {field.name: _unwrapped(hint)[0] for field, hint in _part_fields(twin)}
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.init
    }
    return twin(**{n: twin_instance(parts[n], v) if n in parts else v for n, v in values.items()})


def checked(cls: type[Any], filled: Any) -> Any:
    """Return ``cls`` with the values of a twin that was filled.

    Raises:
        ValueError: ``cls`` or a part of it refuses them.
    """
    parts = {field.name: _unwrapped(hint)[0] for field, hint in _part_fields(cls)}
    values = {
        field.name: getattr(filled, field.name) for field in dataclasses.fields(cls) if field.init
    }
    return cls(**{n: checked(parts[n], v) if n in parts else v for n, v in values.items()})


def _part_fields(cls: type[Any]) -> list[tuple[dataclasses.Field[Any], Any]]:
    """Return the fields of a dataclass that are dataclasses themselves, each with its type."""
    hints = get_type_hints(cls, include_extras=True)
    return [
        (field, hints[field.name])
        for field in dataclasses.fields(cls)
        if field.init and _is_part(hints[field.name])
    ]


def _is_part(hint: Any) -> bool:
    return dataclasses.is_dataclass(_unwrapped(hint)[0])


def _unwrapped(hint: Any) -> tuple[Any, ...]:
    """Return a type and its annotations: ``Annotated[int, x]`` becomes ``(int, x)``."""
    return get_args(hint) if get_origin(hint) is Annotated else (hint,)


def _same_default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return dataclasses.field(default=field.default)
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=field.default_factory)
    return dataclasses.field()


def _default(field: dataclasses.Field[Any], twin: type[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return dataclasses.field(default=twin_instance(twin, field.default))
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default=twin_instance(twin, field.default_factory()))
    return dataclasses.field()
