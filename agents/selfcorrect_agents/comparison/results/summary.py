"""`comparison_of`: the content of comparison.json, made of the results of every method."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.plan.contestants import budget_note
from selfcorrect_agents.comparison.results import statistics
from selfcorrect_agents.comparison.results.cell_results import (
    FIGURES,
    MethodResults,
    curve,
    final_kl,
    spent,
    tokens_measured,
)
from selfcorrect_env.evaluation import LEVEL, Array, Estimate

BINS = 20
"""Of the histogram of edit-distance ratios, which lie in [0, 1]."""


def comparison_of(config: CompareConfig, results: Sequence[MethodResults]) -> dict[str, Any]:
    """Return everything that comparison.json holds (docs/compare.md says what each key is)."""
    measured = next(iter(results[0].cells[0].reports.values()))
    notes = [note for r in results if (note := budget_note(r.contestant, config))]
    left_out = [m.label for m in config.methods if m not in [r.method for r in results]]
    if left_out:
        notes.append(f"Left out, since a cell of theirs failed: {', '.join(left_out)}.")
    ground = {
        key: value
        for key, value in asdict(measured.measured).items()
        if key not in ("agent", "decoding", "settings")
    }
    return {
        "title": config.title,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "measured": {**ground, "problems": measured.metrics.episodes},
        "model": config.model,
        "device": config.device,
        "max_new_tokens": config.max_new_tokens,
        "train": asdict(config.train),
        "test": asdict(config.test),
        "budget": {"episodes": config.episodes},
        "seeds": list(config.seeds),
        "decodings": list(config.decodings),
        "base": config.base,
        "reference": config.referred,
        "scaling": config.scaling and asdict(config.scaling),
        "intervals": {
            "level": LEVEL,
            "method": statistics.METHOD,
            "test": statistics.TEST,
        },
        "notes": notes,
        "left_out": left_out,
        "methods": _methods(config, results),
        "pairs": list(_pairs(config, results)),
    }


def _methods(config: CompareConfig, results: Sequence[MethodResults]) -> list[dict[str, Any]]:
    figures = {decoding: _figures(results, decoding) for decoding in config.decodings}
    return [
        {
            "name": result.method.label,
            "agent": result.method.agent,
            "summary": result.contestant.summary,
            "oracle": result.contestant.oracle,
            "trained": result.contestant.trains,
            "learning": dict(result.method.learning),
            "play": dict(result.method.play),
            "figures": {
                decoding: {**figures[decoding][i], **_kl(result)} for decoding in config.decodings
            },
            "transitions": {name: _transitions(result, name) for name in config.decodings},
            "edit_histogram": {name: _histogram(result, name) for name in config.decodings},
            "spent": spent(result),
            "tokens": {name: tokens_measured(result, name) for name in config.decodings},
            "curves": {str(c.cell.seed): curve(c.history) for c in result.cells if c.history},
            "scaling": _scaling(result),
        }
        for i, result in enumerate(results)
    ]


def _figures(results: Sequence[MethodResults], decoding: str) -> list[dict[str, Any]]:
    """Return the figures of every method, all from the same resamples of problems."""
    flat = [result.stacked(decoding, name) for result in results for name in FIGURES]
    found = iter(zip(flat, statistics.estimates(flat), strict=True))
    return [
        {name: figure(estimate, statistics.seed_means(values)) for name, (values, estimate) in row}
        for row in ([(name, next(found)) for name in FIGURES] for _ in results)
    ]


def figure(estimate: Estimate, seeds: Sequence[float] | Array) -> dict[str, Any]:
    """Return a figure as JSON holds it; what is undefined is None."""
    return {
        "value": _number(estimate.value),
        "low": _number(estimate.low),
        "high": _number(estimate.high),
        "seeds": [_number(float(value)) for value in seeds],
    }


def _kl(result: MethodResults) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for turn in (1, 2):
        seeds = [final_kl(cell.history, turn) for cell in result.cells]
        known = [kl for kl in seeds if kl is not None]
        whole = len(known) == len(seeds)
        found[f"kl_t{turn}"] = figure(statistics.between_seeds(known), known) if whole else None
    return found


def _transitions(result: MethodResults, decoding: str) -> dict[str, float]:
    kinds = ("c->c", "i->c", "c->i", "i->i", "unjudged")
    shares = []
    for cell in result.cells:
        found = [episode.transition for episode in cell.reports[decoding].episodes]
        counts = Counter("unjudged" if kind is None else kind.value for kind in found)
        shares.append([counts[kind] / len(found) for kind in kinds])
    return dict(zip(kinds, np.mean(shares, axis=0).tolist(), strict=True))


def _histogram(result: MethodResults, decoding: str) -> dict[str, list[float]]:
    ratios = result.stacked(decoding, "edit_distance_ratio")
    counts, edges = np.histogram(ratios, bins=BINS, range=(0.0, 1.0))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _scaling(result: MethodResults) -> dict[str, Any] | None:
    curves = [cell.scaling for cell in result.cells if cell.scaling is not None]
    if len(curves) < len(result.cells):
        return None
    names = ("parallel", "sequential", "pass_parallel", "pass_sequential")
    stacked = {name: np.stack([getattr(c, name) for c in curves], axis=1) for name in names}
    flat = [values for name in names for values in stacked[name]]  # one (S, N) for each number
    found = iter(zip(flat, statistics.estimates(flat), strict=True))
    figures = {
        name: [
            figure(estimate, statistics.seed_means(values))
            for values, estimate in (next(found) for _ in stacked[name])
        ]
        for name in names
    }
    return {"samples": list(curves[0].replies), **figures}


def _pairs(config: CompareConfig, results: Sequence[MethodResults]) -> Iterator[dict[str, Any]]:
    labels = [result.method.label for result in results]
    against = dict.fromkeys(x for x in (config.base, config.referred) if x in labels)
    named = [
        (first, second)
        for first in against
        for second in labels
        # base and reference are one pair, not two
        if second != first and not (second == config.base and first == config.referred)
    ]
    for decoding in config.decodings:
        last = {r.method.label: r.stacked(decoding, "accuracy_t2") for r in results}
        found = statistics.pairs([(last[first], last[second]) for first, second in named])
        for (first, second), pair in zip(named, found, strict=True):
            difference = asdict(pair.difference)
            yield {
                "first": first,
                "second": second,
                "decoding": decoding,
                "difference": {key: _number(value) for key, value in difference.items()},
                "only_first": pair.only_first,
                "only_second": pair.only_second,
                "p_value": _number(pair.p_value),
                "problems": pair.problems,
            }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
