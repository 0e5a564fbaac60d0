"""Splits by a hash of the problem's text, never by a seed.

A problem of the test split is in no training split, for any seed, size and options of
either.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable

from selfcorrect_env.errors import UnknownProblemSetError

SPLITS = ("train", "test")
"""The splits of a generated set that has two."""

SHARES = {"train": 0.75, "validation": 0.05, "test": 0.2}
"""The splits of a generated set that has three, each with its share of all texts.

``"validation"`` is for choosing settings. It is a part of what would otherwise be the training
split, so the test split is the same as in a set with two splits.
"""


def digest(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def statement_hash(statement: str) -> str:
    """Return 16 hex digits of the SHA-256 of a problem's statement, normalised.

    Two statements are the same if they are equal after Unicode normalisation (NFC) and with runs
    of white space counted as one space.

    >>> statement_hash("1 + 1 = ?") == statement_hash(" 1 +  1 =\\n? ")
    True
    """
    normalised = " ".join(unicodedata.normalize("NFC", statement).split())
    # surrogatepass: a statement may hold a lone surrogate
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_held_out(statement: str, share: float) -> bool:
    """Return whether a problem belongs to the test set of ``share``, in (0, 1), of a set.

    A statement that is held out with one share is also held out with every larger share.
    """
    return int(statement_hash(statement), 16) < share * 2**64


def is_test(text: str) -> bool:
    """Return whether a text belongs to the test split: one in five does, by its SHA-256."""
    return int(digest(text), 16) % 5 == 0


def split_of(text: str) -> str:
    """Return the split that a text belongs to in a set that has three (see `SHARES`)."""
    if is_test(text):
        return "test"
    return "validation" if int(digest(text), 16) % 20 == 1 else "train"


def check_split(name: str, split: str, known: Iterable[str] = SPLITS) -> None:
    """Raise `UnknownNameError` unless ``split`` is a split of the set called ``name``."""
    if split not in known:
        raise UnknownProblemSetError.of(f"split of {name!r}", split, known)


def draw_of_split(count: int, split: str, draw: Callable[[int], Iterable[str]]) -> list[str]:
    """Return the first ``count`` drawn texts that belong to ``split``; repetitions are possible.

    Args:
        count: how many, at least 0.
        split: one of `SHARES`.
        draw: a function that returns a number of texts of any split.
    """
    wanted: list[str] = []
    while len(wanted) < count:
        drawn = int((count - len(wanted)) / SHARES[split] * 1.05) + 16
        wanted += [text for text in draw(drawn) if split_of(text) == split]
    return wanted[:count]


def draw_distinct(count: int, draw: Callable[[int], Iterable[str]]) -> list[str]:
    """Return ``count`` different texts in the order in which ``draw`` first gives them.

    ``draw(n)`` returns n texts, of which there must be at least ``count`` different ones.
    """
    distinct: dict[str, None] = {}
    while len(distinct) < count:
        distinct.update(dict.fromkeys(draw(count - len(distinct))))
    return list(distinct)
