"""How much of a reply was edited: the paper's edit-distance ratio (figure 4)."""

from __future__ import annotations

MAX_CHARACTERS = 4_000
"""Longer replies are compared by their first 4,000 characters."""


def edit_distance_ratio(first: str, second: str, *, limit: int = MAX_CHARACTERS) -> float:
    """Return the edit distance of two replies divided by their total length.

    Levenshtein distance over characters (the paper does not state its granularity), computed by
    rapidfuzz. Each reply is first cut to ``limit`` characters, so that replies of a megabyte take
    milliseconds.

    Returns:
        0 for equal replies (two empty ones included), 0.5 at most if both are equally long and
        share nothing, 1 if exactly one is empty.

    >>> edit_distance_ratio("kitten", "sitting") == 3 / 13
    True
    """
    from rapidfuzz.distance import Levenshtein

    first, second = first[:limit], second[:limit]
    total = len(first) + len(second)
    return Levenshtein.distance(first, second) / total if total else 0.0
