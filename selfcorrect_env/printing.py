"""Text of a model or of a data set, made safe to print."""

from __future__ import annotations

LONGEST = 4000
"""Characters of a message that are shown; longer ones are cut in the middle."""


def printable(text: str, longest: int = LONGEST) -> str:
    """Return ``text`` so that any terminal can show it, cut to ``longest`` characters.

    Control characters and lone surrogates become escapes such as ``\\x00``.
    """
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … [{len(text) - longest:,} characters left out] … {text[-half:]}"
    return "".join(
        c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
