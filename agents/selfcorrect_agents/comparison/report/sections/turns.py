"""How the page names and draws attempts 1 … K: by the same words and styles everywhere."""

from __future__ import annotations

from selfcorrect_agents.pictures.markup import Child, Markup, join, tag


def turn_style(turn: int, attempts: int) -> str:
    """Return the class of the style sheet for attempt ``turn`` of ``attempts``, from 1."""
    if turn == attempts:
        return "last"
    return "first" if turn == 1 else "middle"


def legend(*keys: tuple[str, str]) -> Markup:
    """Return a legend of (classes of the style sheet, text) entries."""
    return tag(
        "p", join(tag("span", told, class_=f"key {style}") for style, told in keys), class_="legend"
    )


def turn_legend(attempts: int, name: str, *more: tuple[str, str], line: bool = True) -> Markup:
    """Return a legend of the attempts, ``name`` followed by t1 … tK, and of ``more``."""
    kind = "line " if line else ""
    turns = [
        (f"{kind}{turn_style(turn, attempts)}", f"{name}{turn}") for turn in range(1, attempts + 1)
    ]
    return legend(*turns, *more)


def delta_head(title: str) -> Child:
    """Return the head of a column such as ``Δ(t1, t2)``."""
    return join([title[0], tag("span", title[1:], class_="args")])
