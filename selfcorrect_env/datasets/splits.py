"""Splits of generated sets: by a hash of the problem's text, never by a seed.

So a problem of the test split is in no training split, whatever seed, size or option either
was built with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from selfcorrect_env.errors import UnknownNameError

SPLITS = ("train", "test")
"""The splits of every set of this package."""

SHARE = {"train": 0.8, "test": 0.2}
"""The share of all texts that fall to each split."""


def digest(text: str) -> str:
    """Return 16 hex digits that stand for a text: the start of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_test(text: str) -> bool:
    """Whether a text belongs to the test split: one in five does, by its SHA-256."""
    return int(digest(text), 16) % 5 == 0


def check_split(name: str, split: str, known: Iterable[str] = SPLITS) -> None:
    """Raise `UnknownNameError` unless ``split`` is a split of the set called ``name``."""
    if split not in known:
        raise UnknownNameError.of(f"split of {name!r}", split, known)
