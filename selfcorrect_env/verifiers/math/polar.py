"""Answers to a question that is answered by yes or no: "Yes, it is." is "Yes"."""

from __future__ import annotations

import re

_WORD = re.compile(r"\W*(?:\\text\s?\{)?\s*(yes|no|true|false)\s*\}?\W*", re.IGNORECASE)
_REPLY = re.compile(
    r"\W*(?:\\text\s?\{)?\s*(?P<word>yes|no|true|false)\b(?P<rest>\s*\}?\W*\Z|\s*[,.;:!—–-].*)",
    re.IGNORECASE | re.DOTALL,
)
_AGAINST_YES = re.compile(
    r"\b(?:no|not|never|false|cannot|but|however|or|maybe)\b|n['’]t\b", re.IGNORECASE
)
_AGAINST_NO = re.compile(
    r"\b(?:yes|true|but|however|or|maybe)\b"
    r"|^\W*(?:it|they|he|she|we|i|you|this|that|there)\s+\w+\W*$",
    re.IGNORECASE,
)
_LONGEST = 300


def polar(text: str) -> str:
    """Return "yes", "no", "true" or "false" if ``text`` is nothing else; otherwise ""."""
    found = _WORD.fullmatch(text) if len(text) < 20 else None
    return found[1].casefold() if found else ""


def polar_reply(text: str) -> str:
    """Return the word with which a reply begins, if the rest does not contradict it.

    >>> polar_reply("Yes, it is."), polar_reply("No, it is not."), polar_reply("Yes, it isn't.")
    ('yes', 'no', '')
    """
    found = _REPLY.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return ""
    word = found["word"].casefold()
    against = _AGAINST_YES if word in ("yes", "true") else _AGAINST_NO
    return "" if against.search(found["rest"]) else word
