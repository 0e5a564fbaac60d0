r"""Where the formulas of a text are: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]``.

A dollar sign also precedes amounts of money. It opens a formula only if the next dollar sign
can close it (no digit follows; no white space precedes it, unless white space follows the first
one too), and if what is between reads as mathematics: "$2 each, so she makes 9 * $18" does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"\\([(\[])|\\[\s\S]|(\$\$?)")
_CLOSING = re.compile(r"(?<!\\)\$")
_LONGEST_INLINE, _LONGEST_DISPLAY = 500, 2000
_COMMAND = re.compile(r"\\(?:text|mbox|mathrm|textbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_TWO_WORDS = re.compile(r"[A-Za-z]{2,}[ ,]+[A-Za-z]{2,}")
_FUNCTIONS = r"sqrt|cbrt|exp|log|ln|sin|cos|tan|sec|csc|cot|sinh|cosh|tanh|arc[a-z]+|pi|inf|max|min"
_WORD = re.compile(rf"(?<![A-Za-z])(?!(?:{_FUNCTIONS})(?![A-Za-z]))[A-Za-z]{{2,}}")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula in a text."""

    content: str
    """The mathematics, without its delimiters, stripped."""
    start: int
    """The index of its opening delimiter."""
    end: int
    """The index after its closing delimiter."""


def formulas(text: str) -> tuple[list[Formula], int]:
    """Return the formulas of ``text`` in order, and where one begins that is cut off, or -1.

    >>> [formula.content for formula in formulas("It costs $5, so $x = 5$ and $$y$$.")[0]]
    ['x = 5', 'y']
    """
    found: list[Formula] = []
    position, cut_off = 0, -1
    while opening := _OPENING.search(text, position):
        position = opening.end()
        end = close = position
        if opening[1] or opening[2] == "$$":
            closing = {"(": r"\)", "[": r"\]"}.get(opening[1] or "", "$$")
            end = text.find(closing, position, position + _LONGEST_DISPLAY)
            close = end + 2
            if end < 0:
                if len(text) - position <= _LONGEST_DISPLAY:
                    cut_off = opening.start()
                continue
        elif opening[2]:
            closed = _CLOSING.search(text, position, position + _LONGEST_INLINE)
            if closed is None or not _is_inline(text, position, closed.start()):
                continue
            end, close = closed.start(), closed.end()
        if content := text[position:end].strip():
            found.append(Formula(content, opening.start(), close))
        position = close
    return found, cut_off


def has_words(text: str) -> bool:
    r"""Return whether ``text`` has words of a language, besides commands and functions."""
    return bool(_WORD.search(_COMMAND.sub(" ", text)))


def _is_inline(text: str, start: int, end: int) -> bool:
    content = text[start:end]
    if not content.strip() or "\n\n" in content:
        return False
    money = re.match(r"\s*-?[\d.]", content)
    if money and (text[end + 1 : end + 2].isdigit() or has_words(content)):
        return False
    if content[-1].isspace() and not content[0].isspace():
        return False
    return not _TWO_WORDS.search(_COMMAND.sub("1", content))
