"""The episodes that the page's browser shows, as data that no content can break out of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from selfcorrect_agents.comparison.results.comparison import OUTCOMES, Comparison, name_of, number
from selfcorrect_env import printable

LONGEST = 6_000
"""Characters of a text that are kept; longer ones are cut in the middle, and say so."""

LONGEST_ANSWER = 300
"""The same of an extracted answer and of a problem's id."""


def episode_data(episodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the episodes with every text cut and cleaned.

    Control characters, text-direction marks and lone surrogates become visible escapes; tabs
    become spaces.
    """
    return [_episode(each) for each in episodes]


def as_json(value: Any) -> str:
    """Return JSON that may stand in a ``script`` element: no ``<``, ``>`` or ``&`` in it."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def told(comparison: Comparison, episodes: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of the measured episodes are on the page, and how they were taken."""
    kinds = Counter((e["method"], e["decoding"], e["transition"]) for e in episodes)
    measured = _measured(comparison)
    of = f" of the {measured:,} measured" if measured and measured >= len(episodes) else ""
    if not episodes:
        return "No episodes were kept with this page."
    kept = f"This page holds {len(episodes):,}{of} episodes"
    if measured == len(episodes):
        return f"{kept}: all of them."
    return f"{kept}: at most {max(kinds.values()):,} for each method, decoding and transition."


def _measured(comparison: Comparison) -> int | None:
    problems = number(comparison.measured.get("problems"))
    if problems is None:
        return None
    runs = 0
    for method in comparison.methods:
        for decoding in comparison.decodings:
            accuracy = method.figure(decoding, "accuracy_t1")
            runs += max(len(accuracy.seeds), 1) if accuracy else 0
    return int(problems) * runs


def _episode(facts: Mapping[str, Any]) -> dict[str, Any]:
    replies = facts.get("replies") or []
    answers, reasons, scores = (
        list(facts.get(name) or []) for name in ("answers", "reasons", "scores")
    )
    transition = facts.get("transition")
    return {
        "method": name_of(facts.get("method")),
        "seed": name_of(facts.get("seed")),
        "decoding": name_of(facts.get("decoding")),
        "id": _text(facts.get("problem_id"), LONGEST_ANSWER),
        "prompt": _text(facts.get("prompt"), LONGEST),
        "reference": _text(facts.get("reference"), LONGEST),
        "transition": transition if transition in OUTCOMES else "unjudged",
        "attempts": [
            {
                "reply": _text(reply, LONGEST),
                "answer": None if answer is None else _text(answer, LONGEST_ANSWER),
                "reason": _text(reason, LONGEST_ANSWER),
                "score": number(score),
            }
            for reply, answer, reason, score in zip(
                replies,
                _filled(answers, len(replies)),
                _filled(reasons, len(replies)),
                _filled(scores, len(replies)),
                strict=True,
            )
        ],
    }


def _filled(values: list[Any], count: int) -> list[Any]:
    return (values + [None] * count)[:count]


def _text(value: Any, longest: int) -> str:
    if value is None:
        return ""
    whole = str(value)
    half = longest // 2
    if len(whole) > longest:  # cut before anything that takes time
        cut = len(whole) - 2 * half
        whole = f"{whole[:half]}\n … [{cut:,} characters left out] … \n{whole[-half:]}"
    lines = whole.replace("\r\n", "\n").expandtabs(4)
    return printable(lines, len(lines))
