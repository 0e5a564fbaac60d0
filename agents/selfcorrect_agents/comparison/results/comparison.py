"""``comparison.json`` as the page reads it: typed, and what is missing or undefined is None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfcorrect_env import printable

LONGEST_NAME, LONGEST_SUMMARY = 80, 400
"""Characters of a name and of a summary that are shown; longer ones are cut."""

DECODING_TITLES = {"greedy": "Greedy decoding", "sampled": "Sampled replies"}
OUTCOMES = {
    "i->c": "wrong → right",
    "c->i": "right → wrong",
    "c->c": "right → right",
    "i->i": "wrong → wrong",
    "unjudged": "not judged",
}
"""Transition -> how people call it, in the order of the filters."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the mean over seeds with its 95% interval."""

    value: float
    low: float | None
    high: float | None
    seeds: tuple[float | None, ...]
    """Each seed's value."""

    @property
    def span(self) -> tuple[float, float]:
        """From the lowest to the highest of everything that a picture shows of it."""
        known = [self.value, self.low, self.high, *self.seeds]
        defined = [value for value in known if value is not None]
        return min(defined), max(defined)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the comparison."""

    name: str
    summary: str
    oracle: bool
    """Whether it saw what no model may see, such as whether its first attempt was right."""
    trained: bool
    figures: Mapping[str, Mapping[str, Figure | None]]
    """decoding -> name -> figure."""
    transitions: Mapping[str, Mapping[str, float | None]]
    """decoding -> transition -> share of the problems."""
    histograms: Mapping[str, Mapping[str, Sequence[float]]]
    """decoding -> ``edges`` (n + 1) and ``counts`` (n) of the edit-distance ratio."""
    spent: Mapping[str, float | None]
    """Of one seed: episodes and tokens of training, seconds."""
    tokens: Mapping[str, Mapping[str, Any]]
    """decoding -> mean tokens of an ``episode`` in measuring and of each of its ``turns``."""
    curves: Mapping[str, Sequence[Mapping[str, float]]]
    """seed -> rows of the training log."""
    scaling: Mapping[str, Any] | None

    def figure(self, decoding: str, name: str) -> Figure | None:
        """Return a figure, or None where it was not measured or is undefined."""
        return self.figures.get(decoding, {}).get(name)


@dataclass(frozen=True, slots=True)
class Pair:
    """A paired test of two methods on the same problems."""

    first: str
    second: str
    decoding: str
    difference: Figure | None
    """Last-attempt accuracy of the second minus that of the first."""
    only_first: int | None
    only_second: int | None
    p_value: float | None
    problems: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the page shows, but for the episodes."""

    title: str
    created: str
    model: str
    measured: Mapping[str, Any]
    budget: int | None
    seeds: tuple[str, ...]
    decodings: tuple[str, ...]
    methods: tuple[Method, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    """What a reader must know, a sentence each; how the intervals were made comes first."""
    test: str
    """How the pairs were tested; "" where it is not said."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Comparison:
        """Read what the comparison wrote.

        Raises:
            ValueError: there is no method in it.
        """
        if not facts.get("methods"):
            raise ValueError(
                "A comparison needs at least one method: 'methods' is missing or empty. "
                "Give what comparison.json holds."
            )
        methods = tuple(_method(each) for each in facts["methods"])
        found = dict.fromkeys(decoding for method in methods for decoding in method.figures)
        budget = (facts.get("budget") or {}).get("episodes")
        intervals = facts.get("intervals") or {}
        made = [f"95% intervals: {intervals['method']}."] if intervals.get("method") else []
        return cls(
            title=name_of(facts.get("title") or "Comparison of self-correction methods", 200),
            created=name_of(facts.get("created") or ""),
            model=name_of(facts.get("model") or "", 200),
            measured=facts.get("measured") or {},
            budget=None if budget is None else int(budget),
            seeds=tuple(str(seed) for seed in facts.get("seeds") or ()),
            decodings=tuple(facts.get("decodings") or found),
            methods=methods,
            pairs=tuple(_pair(each) for each in facts.get("pairs") or ()),
            notes=tuple(name_of(each, 500) for each in [*made, *(facts.get("notes") or ())]),
            test=name_of(intervals.get("test") or "", 500),
        )


def name_of(value: Any, longest: int = LONGEST_NAME) -> str:
    """Return a name as the page shows it: on one line, every character visible, not too long."""
    name = " ".join(str(value).split())
    if len(name) > longest:
        name = f"{name[: longest - 1]}…"
    return printable(name, len(name) + 1)


def decoding_title(decoding: str) -> str:
    """Return what a way of decoding is called in headings."""
    return DECODING_TITLES.get(decoding, decoding)


def number(value: Any) -> float | None:
    """Return a finite number, or None for what is undefined (null, nan, infinite, no number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def figure(facts: Any) -> Figure | None:
    """Return a figure with its interval, or None where it has no value."""
    if not isinstance(facts, Mapping):
        facts = {"value": facts}
    value = number(facts.get("value"))
    if value is None:
        return None
    seeds = tuple(number(seed) for seed in facts.get("seeds") or ())
    return Figure(value, number(facts.get("low")), number(facts.get("high")), seeds)


def _method(facts: Mapping[str, Any]) -> Method:
    return Method(
        name=name_of(facts.get("name") or "unnamed"),
        summary=name_of(facts.get("summary") or "", LONGEST_SUMMARY),
        oracle=bool(facts.get("oracle")),
        trained=bool(facts.get("trained", True)),
        figures={
            decoding: {name: figure(value) for name, value in (figures or {}).items()}
            for decoding, figures in (facts.get("figures") or {}).items()
        },
        transitions={
            decoding: {name: number(share) for name, share in (shares or {}).items()}
            for decoding, shares in (facts.get("transitions") or {}).items()
        },
        histograms={k: v for k, v in (facts.get("edit_histogram") or {}).items() if v},
        spent={name: number(value) for name, value in (facts.get("spent") or {}).items()},
        tokens={k: v for k, v in (facts.get("tokens") or {}).items() if v},
        curves={str(k): rows for k, rows in (facts.get("curves") or {}).items() if rows},
        scaling=facts.get("scaling") or None,
    )


def _pair(facts: Mapping[str, Any]) -> Pair:
    return Pair(
        first=name_of(facts.get("first")),
        second=name_of(facts.get("second")),
        decoding=str(facts.get("decoding")),
        difference=figure(facts.get("difference")),
        only_first=facts.get("only_first"),
        only_second=facts.get("only_second"),
        p_value=number(facts.get("p_value")),
        problems=facts.get("problems"),
    )
