"""Tables in a box that scrolls sideways, so that the page never does, and other small elements."""

from __future__ import annotations

from collections.abc import Iterable

from selfcorrect_agents.comparison.results.comparison import ComparedMethod
from selfcorrect_agents.pictures.markup import Child, Markup, join, tag


def table(
    caption: str,
    heads: Iterable[Child],
    groups: Iterable[tuple[Child, list[Markup]]],
    *,
    class_: str | None = None,
) -> Markup:
    """Return a table.

    Args:
        caption: its title; also the name of its scrolling box.
        heads: the columns' names, the first column's included.
        groups: (heading over the rows or None, rows as `row` makes them), in order.
        class_: ``wide`` puts the small print of a cell beside its value if there is room.
    """
    names = list(heads)
    bodies = []
    for heading, rows in groups:
        over = None
        if heading is not None:
            cell = tag("th", heading, colspan=len(names), scope="rowgroup")
            over = tag("tr", cell, class_="group")
        bodies.append(tag("tbody", over, *rows))
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    body = tag("table", head, *bodies, class_=class_, aria_label=caption)
    box = tag("div", body, class_="scroll", tabindex=0, role="region", aria_label=caption)
    hint = tag("span", "scroll sideways for more →", class_="hint", aria_hidden="true")
    return tag("figure", tag("figcaption", caption, hint), box, class_="tabled")


def row(head: Child, cells: Iterable[Child], *, class_: str | None = None) -> Markup:
    """Return a row; cells that are no ``td`` yet become one."""
    made = [
        cell if isinstance(cell, Markup) and cell.startswith("<td") else tag("td", cell)
        for cell in cells
    ]
    return tag("tr", tag("th", head, scope="row"), *made, class_=class_)


def value_cell(value: str, below: str = "", *, best: bool = False) -> Markup:
    """Return a cell with a value, and further text in small letters below or beside it."""
    shown = tag("b", value, tag("span", " (best)", class_="hidden")) if best else tag("span", value)
    return tag("td", shown, tag("small", below), class_="best" if best else None)


def details(summary: str, *content: Child) -> Markup:
    """Return content that opens on demand."""
    return tag("details", tag("summary", summary), *content)


def method_name(method: ComparedMethod) -> Markup:
    """Return a method's name, with a mark if it is an oracle or an instrument."""
    kind = "oracle" if method.oracle else "instrument" if method.instrument else None
    mark = tag("span", kind, class_="mark") if kind else None
    return tag("span", tag("span", method.name, title=method.summary or None), mark, class_="name")


def note(*content: Child) -> Markup:
    """Return a paragraph of small print."""
    return tag("p", *content, class_="note")


def grid(panels: Iterable[Markup], class_: str = "") -> Markup:
    """Return panels side by side, as many as fit; ``small`` ones in pairs on a phone."""
    return tag("div", join(panels), class_=f"panels {class_}".rstrip())
