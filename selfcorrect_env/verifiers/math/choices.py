r"""Multiple choice: a letter, alone or with the text of its choice: ``(B)``, ``B. 12``."""

from __future__ import annotations

import re

_STYLE = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|bf)\s?\{([^{}]*)\}")
_SPACE = re.compile(r"\\(?:[ ,;:!~]|q?quad(?![A-Za-z]))|~|\$")
_LETTER = r"(?:\((?P<enclosed>[A-J])\)|(?P<letter>[A-J])(?=\s*$|\s*[.):]|\s[-–—]\s))"
_CHOICE = re.compile(
    rf"(?:(?i:option|choice|answer)\s*)?{_LETTER}[\s.):–—-]*(?P<text>.*)", re.DOTALL
)
_ANOTHER = re.compile(r"\([A-J]\)|(?:^|[\s,/])(?:or|and|,|/|&)?\s*[A-J](?=\s*$|[.):,]\s|\s*[,/&])")


def choice(answer: str) -> tuple[str, str] | None:
    r"""Return the letter and the text of a choice, or None if the answer is none.

    >>> choice(r"\textbf{(B)}\ 12"), choice("B. 12"), choice("B + 12"), choice("(A, B)")
    (('B', '12'), ('B', '12'), None, None)
    """
    if len(answer) > 1000:
        return None
    plain = _SPACE.sub(" ", _STYLE.sub(r" \1 ", answer)).strip()
    found = _CHOICE.fullmatch(plain)
    if found is None:
        return None
    return found["enclosed"] or found["letter"], found["text"].strip()


def several_choices(text: str) -> bool:
    """Return whether the text beside a letter names another choice: "(A) or (B)", "A, B"."""
    return bool(_ANOTHER.search(text))
