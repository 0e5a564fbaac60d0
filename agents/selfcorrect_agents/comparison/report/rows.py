"""A comparison's figures as rows of text: a head, then one row for each method or pair.

Every function takes what comparison.json holds and returns lists of cells, the first of which
name the columns. The terminal and Markdown draw the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from selfcorrect_agents.comparison.results.formats import (
    UNDEFINED,
    clock,
    count,
    decimal,
    p_value,
    percent,
    tokens,
    with_interval,
)

Comparison: TypeAlias = Mapping[str, Any]
"""What comparison.json holds."""

Rows: TypeAlias = list[list[str]]
"""Head and rows, as cells of text."""

COLUMNS = {
    "accuracy_t1": "acc@t1",
    "accuracy_t2": "acc@t2",
    "delta": "Δ",
    "delta_i_to_c": "Δ i→c",
    "delta_c_to_i": "Δ c→i",
    "unchanged_answers": "same answer",
    "edit_distance_ratio": "edit ratio",
}
"""Shares, shown in percent, with what columns call them."""

ORACLE_MARK = "†"
"""Stands after the name of a method that is an oracle."""

TRANSITIONS = ("c->c", "i->c", "c->i", "i->i", "unjudged")

CURVES = {
    "parallel": "maj@k, parallel",
    "sequential": "maj@k, sequential",
    "pass_parallel": "pass@k, parallel",
    "pass_sequential": "pass@k, sequential",
}
"""What many samples are measured by, with what rows call it."""


def figure_rows(comparison: Comparison, decoding: str, names: Sequence[str]) -> Rows:
    """Return the means of these figures with their intervals; ``names`` are of `COLUMNS`."""
    rows = [["method", *(COLUMNS[name] for name in names)]]
    for method in comparison["methods"]:
        figures = method["figures"][decoding]
        cells = [with_interval(figures[name], name == "delta") for name in names]
        rows.append([name_of(method), *cells])
    return rows


def kl_columns(comparison: Comparison, decoding: str) -> Rows:
    """Return the KL of both turns, without the methods' names: columns to put beside others."""
    figures = [method["figures"][decoding] for method in comparison["methods"]]
    return [["KL t1", "KL t2"], *([_nats(f["kl_t1"]), _nats(f["kl_t2"])] for f in figures)]


def beside(rows: Rows, more: Rows) -> Rows:
    """Return tables of as many rows side by side."""
    return [left + right for left, right in zip(rows, more, strict=True)]


def seed_rows(comparison: Comparison, decoding: str) -> Rows:
    """Return the figures of every seed."""
    rows = [["method", "seed", *COLUMNS.values()]]
    for method in comparison["methods"]:
        figures = method["figures"][decoding]
        for i, seed in enumerate(comparison["seeds"]):
            cells = [percent(figures[name]["seeds"][i], signed=name == "delta") for name in COLUMNS]
            rows.append([name_of(method), str(seed), *cells])
    return rows


def transition_rows(comparison: Comparison, decoding: str) -> Rows:
    """Return the share of every transition, of those not judged, too."""
    rows = [["method", *(name.replace("->", "→") for name in TRANSITIONS)]]
    for method in comparison["methods"]:
        shares = method["transitions"][decoding]
        rows.append([name_of(method), *(percent(shares[name]) for name in TRANSITIONS)])
    return rows


def pair_rows(comparison: Comparison, decoding: str) -> Rows:
    """Return every pair; only the head where there is none."""
    rows = [["method", "against", "difference", "only first right", "only second right", "p"]]
    for pair in comparison["pairs"]:
        if pair["decoding"] == decoding:
            rows.append(
                [
                    pair["second"],
                    pair["first"],
                    with_interval(pair["difference"], True),
                    *(str(pair[name]) for name in ("only_first", "only_second")),
                    p_value(pair["p_value"]),
                ]
            )
    return rows


def cost_rows(comparison: Comparison) -> Rows:
    """Return what one seed spent, and the tokens of an episode in measuring."""
    decodings = comparison["decodings"]
    rows = [["method", "training episodes", "training tokens", "training time", "time in all"]]
    rows[0] += [f"tokens per episode, {decoding} (by attempt)" for decoding in decodings]
    for method in comparison["methods"]:
        spent = method["spent"]
        cells = [count(spent[name]) for name in ("episodes", "tokens")]
        cells += [clock(spent[name]) for name in ("training_seconds", "seconds")]
        cells += [_tokens(method["tokens"][decoding]) for decoding in decodings]
        rows.append([name_of(method), *cells])
    return rows


def scaling_rows(comparison: Comparison) -> Rows:
    """Return what so many replies to a problem buy; only the head where none was sampled."""
    sampled = [method for method in comparison["methods"] if method["scaling"]]
    numbers = sampled[0]["scaling"]["samples"] if sampled else []
    rows = [["method", "by", *(f"{number} replies" for number in numbers)]]
    for method in sampled:
        for key, name in CURVES.items():
            cells = [with_interval(figure) for figure in method["scaling"][key]]
            rows.append([name_of(method), name, *cells])
    return rows


def name_of(method: Mapping[str, Any]) -> str:
    """Return a method's name, with a mark where it is an oracle."""
    return f"{method['name']} {ORACLE_MARK}" if method["oracle"] else method["name"]


def _nats(figure: Mapping[str, Any] | None) -> str:
    return UNDEFINED if figure is None else decimal(figure["value"], 3)


def _tokens(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return UNDEFINED
    return f"{tokens(found['episode'])} ({' + '.join(map(tokens, found['turns']))})"
