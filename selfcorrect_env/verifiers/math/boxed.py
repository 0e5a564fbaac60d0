r"""Extraction of the last ``\boxed{…}`` of a solution."""

from __future__ import annotations

_MARKS = (r"\boxed", r"\fbox")


def last_boxed(solution: str) -> str | None:
    r"""Return the content of the last ``\boxed{…}`` (or ``\fbox{…}``), or None without one.

    Braces are matched; an escaped brace (``\{``) is a character. ``\boxed 5`` boxes the next
    word, as in some of MATH's solutions. A box that is not closed does not count.

    >>> last_boxed(r"Thus $\boxed{\frac{1}{2}}$.")
    '\\frac{1}{2}'
    """
    found = last_box(solution)
    return found[0] if found else None


def last_box(solution: str) -> tuple[str, str] | None:
    r"""Return the content of the last box and the text after it, or None without one.

    >>> last_box(r"$\boxed{5}$ apples")
    ('5', '$ apples')
    """
    start, mark = max((solution.rfind(mark), mark) for mark in _MARKS)
    if start < 0:
        return None
    rest = solution[start + len(mark) :].lstrip()
    if rest.startswith("{"):
        end = _closing(rest)
        return (rest[1:end].strip(), rest[end + 1 :]) if end else None
    word = rest.partition("$")[0].split()
    return (word[0].rstrip(".,"), rest[len(word[0]) :]) if word else None


def _closing(text: str) -> int:
    """Return the index of the brace that closes the first one of ``text``, or 0 if none does."""
    depth, escaped = 0, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return index
    return 0
