"""The words of the page for what a comparison keeps by key: decodings, transitions."""

from __future__ import annotations

DECODING_TITLES = {
    "greedy": "Greedy decoding",
    "sampled": "Sampled replies",
    "base_first": "Sampled corrections of the base model’s first attempts",
}

TRANSITION_TITLES = {
    "i->c": "wrong → right",
    "c->i": "right → wrong",
    "c->c": "right → right",
    "i->i": "wrong → wrong",
    "unjudged": "not judged",
}
"""Transition -> its name, in the order of the page's filters."""

ONE_ATTEMPT_TITLES = {"c->c": "right", "i->i": "wrong", "unjudged": "not judged"}
"""The same if an episode has one attempt."""


def decoding_title(decoding: str) -> str:
    """Return the heading of a way of decoding."""
    return DECODING_TITLES.get(decoding, decoding)


def transition_titles(attempts: int) -> dict[str, str]:
    """Return the transitions that episodes of ``attempts`` attempts can have, with their names."""
    return TRANSITION_TITLES if attempts > 1 else ONE_ATTEMPT_TITLES
