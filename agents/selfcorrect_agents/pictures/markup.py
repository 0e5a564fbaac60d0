"""HTML and SVG that are escaped by construction: what is not `Markup` is text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from selfcorrect_env import printable


class Markup(str):
    """Text that is markup already and must not be escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def tag(name: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element.

    Args:
        name: the element's name.
        children: texts (escaped; control characters and lone surrogates become visible
            escapes), markup (taken as it is), or None (left out).
        attributes: ``class_`` means ``class``, and ``_`` within a name means ``-``. True gives an
            attribute without a value; None and False leave it out.

    >>> tag("td", "a<b", class_="n")
    '<td class="n">a&lt;b</td>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    content = "".join(text(child) for child in children if child is not None)
    return Markup(f"<{name}{written}>{content}</{name}>")


def text(content: str) -> Markup:
    """Return ``content`` as markup: itself where it is markup, else cleaned and escaped."""
    if isinstance(content, Markup):
        return content
    return Markup(escape(_visible(content)))


def join(parts: Iterable[Child], between: str = "") -> Markup:
    """Return the parts one after the other, texts among them escaped."""
    return Markup(text(between).join(text(part) for part in parts if part is not None))


def one_line(content: object, longest: int = 80) -> str:
    """Return a text on one line, every character visible, cut after ``longest`` characters."""
    line = " ".join(str(content).split())
    if len(line) > longest:
        line = f"{line[: longest - 1]}…"
    return printable(line, len(line) + 1)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.6g}"
    return f' {name}="{escape(_visible(str(value)))}"'


def _visible(content: str) -> str:
    return content if content.isprintable() else printable(content, len(content))
