r"""The ``\boxed{…}`` of a text, with matched braces, in one pass over the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = r"\\(?:boxed|fbox)(?![A-Za-z])"
_TOKEN = re.compile(rf"(?P<mark>{_MARK})(?P<gap>\s*(?=\{{))?|\\(?:[^\\]|\\(?!boxed|fbox))|[{{}}]")
_FIRST = re.compile(_MARK)
_WORD = re.compile(r"\s*([^\s$]{1,100})")
_INNER = re.compile(rf"\\?{_MARK}\s*(?=\{{)")


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a text."""

    content: str
    """What it contains, stripped; boxes inside of it are opened."""
    start: int
    """The index of its backslash."""
    end: int
    """The index after its last character."""


def boxes(text: str) -> tuple[list[Box], bool]:
    r"""Return the boxes of ``text`` in order, and whether the last one that begins is cut off.

    Braces are matched; an escaped brace (``\{``) is a character. ``\boxed 5`` boxes the next
    word, as in some of MATH's solutions. A box inside another one is part of it.

    >>> [box.content for box in boxes(r"$\boxed{1}$ or \fbox{\boxed{2}}")[0]]
    ['1', '2']
    """
    first = _FIRST.search(text)
    found: list[Box] = []
    starts: dict[int, int] = {}  # where a box begins, by the index of its opening brace
    opened: list[int] = []
    last = -1
    for token in _TOKEN.finditer(text, first.start() if first else len(text)):
        kind = token.group()
        if token["mark"]:
            last = token.start()
            if token["gap"] is not None:
                starts[token.end()] = last
            elif word := _WORD.match(text, token.end()):
                found.append(Box(word[1].rstrip(".,"), last, word.end()))
        elif kind == "{":
            opened.append(token.start())
        elif kind == "}" and opened and (brace := opened.pop()) in starts:
            content = text[brace + 1 : token.start()]
            found.append(Box(content, starts[brace], token.end()))
    outer = _outermost(found)
    return outer, last >= 0 and not any(box.start <= last < box.end for box in outer)


def last_boxed(solution: str) -> str | None:
    r"""Return the content of the last ``\boxed{…}`` (or ``\fbox{…}``), or None without one.

    None also if the last box is cut off.

    >>> last_boxed(r"Thus $\boxed{\frac{1}{2}}$.")
    '\\frac{1}{2}'
    """
    found, cut_off = boxes(solution)
    return found[-1].content if found and not cut_off else None


def _outermost(found: list[Box]) -> list[Box]:
    outer: list[Box] = []
    for box in sorted(found, key=lambda box: box.start):
        if not outer or box.start >= outer[-1].end:
            outer.append(Box(_opened(box.content), box.start, box.end))
    return outer


def _opened(content: str) -> str:
    r"""Return what is in a box without the boxes inside: ``\boxed{5}`` is 5."""
    if not _FIRST.search(content):
        return content.strip()
    content = _INNER.sub("", content)
    braces = re.match(r"[{\s]*", content)
    depth = braces.group().count("{") if braces else 0
    content = content.strip()
    while depth and content.startswith("{") and content.endswith("}"):
        depth, content = depth - 1, content[1:-1].strip()
    return content
