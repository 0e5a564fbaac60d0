"""How an option of a command is described: by the docstring of its field, as flowing text."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any

import tyro

NOTHING = ("", "None", "''")
"""What tyro shows of a default that is no value: an empty tuple, None, an empty text."""


def help_of(cls: type[Any], field: dataclasses.Field[Any], annotations: Sequence[Any]) -> Any:
    """Return tyro's annotation that describes a field; None if the field has no docstring.

    tyro keeps the line breaks of a docstring, which are in the middle of its own lines, and shows
    "(default: None)" after a text that has just said what the default is.

    Args:
        cls: the dataclass.
        field: a field of it.
        annotations: the field's own; of an option that may be repeated tyro says so.
    """
    text = field_docs(cls).get(field.name)
    if text is None:
        return None
    empty = field.default is None or field.default in ("", ())
    if empty and tyro.conf.UseAppendAction not in annotations:
        return tyro.conf.arg(help=text, help_behavior_hint=_default_hint)
    return tyro.conf.arg(help=text)


@cache
def field_docs(cls: type[Any]) -> dict[str, str]:
    """Return the docstrings of a dataclass's fields, also of those that it inherits.

    A paragraph is one line. A class without a source file, such as one of an interactive session,
    has none.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _own_docs(base)
    return found


def _own_docs(cls: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # made in memory
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        node.target.id: _flowing(following.value.value)
        for node, following in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


def _flowing(docstring: str) -> str:
    r"""Return a docstring whose paragraphs are one line each.

    >>> _flowing("A text\n    of two lines.\n\n    And more.")
    'A text of two lines.\n\nAnd more.'
    """
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _default_hint(default: str) -> str:
    return "" if default in NOTHING else f"(default: {default})"
