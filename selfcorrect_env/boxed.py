r"""Finding the last ``\boxed{…}`` of a solution."""

from __future__ import annotations

_MARKS = (r"\boxed", r"\fbox")


def last_boxed(solution: str) -> str | None:
    r"""Return what stands in the last ``\boxed{…}`` (or ``\fbox{…}``), or None without one.

    Braces are matched; an escaped brace (``\{``) is a character. ``\boxed 5`` boxes the next
    word, as some of MATH's solutions write it. A box that never closes is none.

    >>> last_boxed(r"Thus $\boxed{\frac{1}{2}}$.")
    '\\frac{1}{2}'
    """
    start, mark = max((solution.rfind(mark), mark) for mark in _MARKS)
    if start < 0:
        return None
    rest = solution[start + len(mark) :].lstrip()
    if rest.startswith("{"):
        return _braced(rest)
    word = rest.partition("$")[0].split()
    return word[0].rstrip(".,") if word else None


def _braced(text: str) -> str | None:
    """Return what stands between the brace at the start of ``text`` and the one that closes it."""
    depth, escaped = 0, False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return text[1:place].strip()
    return None
