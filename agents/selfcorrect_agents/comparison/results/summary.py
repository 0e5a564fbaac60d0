"""`comparison_of`: the results of every method put together, with intervals and paired tests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count, islice, takewhile
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.plan.base_model import preset_by_default, settings_of
from selfcorrect_agents.comparison.plan.compared_agents import budget_note
from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.results import statistics
from selfcorrect_agents.comparison.results.arrivals import arrivals_of, episodes_to_arrival
from selfcorrect_agents.comparison.results.cell_results import (
    MethodResults,
    curve,
    final_kl,
    spent,
    tokens_measured,
)
from selfcorrect_agents.comparison.results.comparison import (
    CHANGES,
    TRANSITIONS,
    Arrivals,
    ComparedMethod,
    DecodingMetrics,
    EditHistogram,
    MeasuredOn,
    MethodComparison,
    MethodPair,
    MetricValue,
    ScalingMetrics,
)
from selfcorrect_agents.comparison.results.seed_outcomes import (
    with_arrival_pairs,
    without_false_intervals,
)
from selfcorrect_env.evaluation import Array, Estimate

BINS = 20
"""Of the histogram of edit-distance ratios, which are in [0, 1]."""

COMPLETIONS = ("unjudged_wrong", "unjudged_right")
"""Both ways to count unjudged attempts: fields of `DecodingMetrics`, ends of metrics' names."""

SCALING = (
    *("parallel", "sequential", "equal_tokens"),
    *("pass_parallel", "pass_sequential", "pass_equal_tokens"),
)
"""Fields of `ScalingCurves` and of `ScalingMetrics`."""


def comparison_of(config: CompareConfig, results: Sequence[MethodResults]) -> MethodComparison:
    """Return the comparison of ``results``, one entry for each method that is finished."""
    labels = [result.method.label for result in results]
    left_out = tuple(m.label for m in config.methods if m.label not in labels)
    notes = [note for r in results if (note := budget_note(r.agent, config))]
    notes += _unjudged(results)
    notes += _cut_off(results)
    if len(processors := _instructions(results)) > 1:
        notes.append(
            f"Warning: its cells ran on processors with different instructions ({processors}). The "
            "same seed is another run on another processor."
        )
    if left_out:
        notes.append(f"Left out, because a run of theirs failed: {', '.join(left_out)}.")
    compared = MethodComparison(
        title=config.title,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        measured=_measured(results[0]),
        model=str(config.model["model"]),
        device=results[0].cells[0].cell.model.device,
        loading=_loading(results),
        preset=config.preset or preset_by_default(str(config.model["model"])),
        max_new_tokens=config.token_cap,
        train=config.train,
        test=config.test,
        episodes=_budget(config),
        seeds=config.seeds,
        decodings=config.decodings,
        base=config.base,
        reference=config.referred,
        scaling=config.scaling,
        intervals=statistics.METHOD,
        test_of_pairs=statistics.TEST,
        notes=tuple(notes),
        left_out=left_out,
        methods=tuple(_methods(config, results)),
        pairs=tuple(_pairs(config, results)),
        arrival=config.arrival,
        bases={cell.cell.model.model: cell.cell.weights or "" for r in results for cell in r.cells},
        instructions=tuple(_instructions(results)),
    )
    return without_false_intervals(with_arrival_pairs(compared))


def _budget(config: CompareConfig) -> int | None:
    """Return the training episodes of every method; None if methods have their own."""
    own = any(method.episodes is not None for method in config.methods)
    return None if own else config.episodes


def _unjudged(results: Sequence[MethodResults]) -> Iterator[str]:
    """Yield a warning for each method with unjudged episodes, with the first cause."""
    for result in results:
        metrics = [report.metrics for cell in result.cells for report in cell.reports.values()]
        errors = [each.first_error for each in metrics if each.unjudged]
        if errors:
            unjudged, total = sum(m.unjudged for m in metrics), sum(m.episodes for m in metrics)
            yield (
                f"Warning: {result.method.label}: {unjudged:,} of {total:,} episodes were not "
                "judged and are left out of acc@t; 'unjudged wrong' counts them as wrong, "
                f"'unjudged right' as right. First cause: {errors[0]}"
            )
        curves = [cell.scaling for cell in result.cells if cell.scaling is not None]
        left_out = max((int(np.isnan(each.parallel[0]).sum()) for each in curves), default=0)
        if left_out:
            yield (
                f"Warning: {result.method.label}: {left_out:,} of {curves[0].parallel.shape[1]:,} "
                "problems are left out of its scaling, because a sample was not judged."
            )


def _cut_off(results: Sequence[MethodResults]) -> Iterator[str]:
    """Yield a warning for each method with most replies cut off, of the first seed that has it."""
    for result in results:
        found = (
            f"Warning: {result.method.label}, {decoding}, seed {cell.cell.seed}: {text}"
            for cell in result.cells
            for decoding, report in cell.reports.items()
            if (text := report.metrics.why_cut_off())
        )
        yield from islice(found, 1)


def _loading(results: Sequence[MethodResults]) -> dict[str, Any]:
    """Return how the base is loaded: of the first method that learns on the common preset."""
    trained = [r for r in results if r.agent.trains and r.method.preset is None] or results
    settings = settings_of(trained[0].cells[0].cell.loaded_model())
    return {key: value for key, value in settings.items() if key not in ("model", "device")}


def _instructions(results: Sequence[MethodResults]) -> list[str]:
    return sorted({name for r in results for cell in r.cells for name in cell.instructions})


def _measured(result: MethodResults) -> MeasuredOn:
    report = next(iter(result.cells[0].reports.values()))
    measured = report.measured
    return MeasuredOn(
        problem_set=measured.problem_set,
        split=measured.split,
        size=measured.size,
        fingerprint=measured.fingerprint,
        problems=report.metrics.episodes,
        verifier=measured.verifier,
        prompts=measured.prompts,
        attempts=measured.attempts,
    )


def _methods(config: CompareConfig, results: Sequence[MethodResults]) -> Iterator[ComparedMethod]:
    by_decoding = {decoding: _metrics(results, decoding) for decoding in config.decodings}
    for i, result in enumerate(results):
        yield ComparedMethod(
            name=result.method.label,
            agent=result.method.agent,
            summary=result.agent.summary,
            oracle=result.agent.oracle,
            instrument=result.agent.instrument,
            trained=result.agent.trains,
            learning=result.method.learning,
            play=result.method.play,
            preset=result.method.preset,
            metrics={decoding: by_decoding[decoding][i] for decoding in config.decodings},
            kl=_kl(result),
            spent=spent(result),
            curves={
                str(cell.cell.seed): tuple(curve(cell.history, result.attempts))
                for cell in result.cells
                if cell.history
            },
            scaling=_scaling(result),
            arrivals=_arrivals(config, result, {d: by_decoding[d][i] for d in config.decodings}),
        )


# -- metrics ---------------------------------------------------------------------------------------
def _metrics(results: Sequence[MethodResults], decoding: str) -> list[DecodingMetrics]:
    """Return the metrics of every method, all from the same resamples of problems."""
    attempts = results[0].attempts
    turns = range(1, attempts + 1)
    names = [f"t{turn}/accuracy" for turn in turns]
    if any(result.unjudged for result in results):
        names += [f"t{turn}/accuracy/{how}" for how in COMPLETIONS for turn in turns]
    if any(result.partial_credit for result in results):
        names += [f"t{turn}/score" for turn in turns]
    if attempts > 1:
        names += ["delta", *CHANGES]
    if attempts > 2:
        names += [f"delta/t{turn}-t{turn + 1}" for turn in turns[:-1]]
    values = iter(
        _metric_values(
            [r.stacked(decoding, name) for r in results for name in names],
            [_kind(name) for _ in results for name in names],
        )
    )
    return [
        _decoding_metrics(result, decoding, {name: next(values) for name in names})
        for result in results
    ]


def _decoding_metrics(
    result: MethodResults, decoding: str, values: Mapping[str, MetricValue]
) -> DecodingMetrics:
    several = "delta" in values
    return DecodingMetrics(
        accuracy=_of_turns(values, "t{}/accuracy"),
        unjudged_wrong=_of_turns(values, "t{}/accuracy/unjudged_wrong"),
        unjudged_right=_of_turns(values, "t{}/accuracy/unjudged_right"),
        mean_score=_of_turns(values, "t{}/score"),
        delta=values.get("delta"),
        successive=_of_turns(values, "delta/t{}-t{}"),
        **{name: values.get(name) for name in CHANGES},
        transitions=_transitions(result, decoding),
        edit_histogram=_histogram(result, decoding) if several else None,
        tokens=tokens_measured(result, decoding),
    )


def _of_turns(values: Mapping[str, MetricValue], name: str) -> tuple[MetricValue, ...]:
    """Return the metrics called ``name`` of turns 1, 2 …, as far as there are any."""
    names = (name.format(turn, turn + 1) for turn in count(1))
    return tuple(values[each] for each in takewhile(values.__contains__, names))


def _kind(name: str) -> statistics.Kind:
    """Return what a metric of `per_problem` is."""
    if name == "delta" or name.startswith("delta/"):
        return "difference"
    return "mean" if name.endswith("/score") or name == "edit_distance_ratio" else "share"


def _metric_values(
    values: Sequence[Array], kinds: Sequence[statistics.Kind] | None = None
) -> list[MetricValue]:
    """Return a metric for each array of shape (S, N), all from the same resamples of problems."""
    return [
        metric_value(estimate, statistics.seed_means(each))
        for each, estimate in zip(values, statistics.estimates(values, kinds), strict=True)
    ]


def metric_value(estimate: Estimate, seeds: Sequence[float] | Array) -> MetricValue:
    """Return an estimate with the value for each seed; nan becomes None."""
    return MetricValue(
        value=_defined(estimate.value),
        low=_defined(estimate.low),
        high=_defined(estimate.high),
        seeds=tuple(_defined(float(value)) for value in seeds),
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _kl(result: MethodResults) -> tuple[MetricValue | None, ...]:
    if not result.agent.trains:
        return ()
    found: list[MetricValue | None] = []
    for turn in range(1, result.attempts + 1):
        seeds = [final_kl(cell.history, turn) for cell in result.cells]
        known = [kl for kl in seeds if kl is not None]
        complete = len(known) == len(seeds)
        value = metric_value(statistics.between_seeds(known), known) if complete else None
        found.append(value)
    return tuple(found)


def _transitions(result: MethodResults, decoding: str) -> dict[str, float]:
    shares = []
    for cell in result.cells:
        found = [episode.transition for episode in cell.reports[decoding].episodes]
        counts = Counter("unjudged" if kind is None else kind.value for kind in found)
        shares.append([counts[kind] / len(found) for kind in TRANSITIONS])
    return dict(zip(TRANSITIONS, np.mean(shares, axis=0).tolist(), strict=True))


def _histogram(result: MethodResults, decoding: str) -> EditHistogram:
    ratios = result.stacked(decoding, "edit_distance_ratio")
    counts, edges = np.histogram(ratios[~np.isnan(ratios)], bins=BINS, range=(0.0, 1.0))
    return EditHistogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _scaling(result: MethodResults) -> ScalingMetrics | None:
    curves = [cell.scaling for cell in result.cells if cell.scaling is not None]
    if len(curves) < len(result.cells):
        return None
    tokens = [curve.tokens for curve in curves if curve.tokens is not None]
    counted = len(tokens) == len(curves)  # else a seed has no first attempts at equal tokens
    names = [name for name in SCALING if counted or not name.endswith("equal_tokens")]
    stacked = {name: np.stack([getattr(c, name) for c in curves], axis=1) for name in names}
    # one array of shape (S, N) for each number of replies
    found = iter(_metric_values([values for name in names for values in stacked[name]]))
    values = {name: tuple(next(found) for _ in stacked[name]) for name in names}
    first, whole = np.mean(tokens, axis=0).tolist() if counted else (None, None)
    return ScalingMetrics(
        replies=curves[0].replies, first_tokens=first, episode_tokens=whole, **values
    )


# -- arrivals --------------------------------------------------------------------------------------
def trained_attempts(result: MethodResults) -> int:
    """Return the attempts of an episode in training: fewer than in measuring, or as many."""
    logged = {key for cell in result.cells for row in cell.history for key in row}
    turns = range(1, result.attempts + 1)
    return max((turn for turn in turns if f"t{turn}/accuracy" in logged), default=result.attempts)


def _arrivals(
    config: CompareConfig, result: MethodResults, metrics: Mapping[str, DecodingMetrics]
) -> dict[str, Arrivals]:
    """Return which seeds of a method arrive, by decoding; empty without a level."""
    level = config.arrival
    if level is None:
        return {}
    name = f"t{result.attempts}/accuracy/unjudged_wrong"
    trained_on = f"t{trained_attempts(result)}/accuracy"
    when = [episodes_to_arrival(cell.history, trained_on, level) for cell in result.cells]
    played = [cell.history[-1].get("episodes") if cell.history else None for cell in result.cells]
    found = {}
    for decoding, each in metrics.items():
        last = each.ranking[-1].seeds
        arrived = [i for i, value in enumerate(last) if value is not None and value >= level]
        given = result.stacked(decoding, name)[arrived]
        (of_arrived,) = _metric_values([given], ["share"]) if arrived else (None,)
        if of_arrived is not None and len(arrived) == 1:  # one seed says nothing of other seeds
            of_arrived = replace(of_arrived, low=None, high=None)
        found[decoding] = arrivals_of(last, level, of_arrived, when, played)
    return found


# -- pairs -----------------------------------------------------------------------------------------
def _pairs(config: CompareConfig, results: Sequence[MethodResults]) -> Iterator[MethodPair]:
    names = _paired_names(config, results)
    unjudged = any(result.unjudged for result in results)
    for decoding in config.decodings:
        tests = _tests(results, decoding, "accuracy", names)
        of_all = _tests(results, decoding, "accuracy/unjudged_wrong", names) if unjudged else None
        for i, (first, second) in enumerate(names):
            test, p_holm = tests[i]
            completed, p_holm_of_all = of_all[i] if of_all else (None, math.nan)
            yield MethodPair(
                first=first,
                second=second,
                decoding=decoding,
                difference=metric_value(test.difference, test.seeds),
                unjudged_wrong=completed and metric_value(completed.difference, completed.seeds),
                only_first=test.only_first,
                only_second=test.only_second,
                p_value=_defined(test.p_value),
                p_holm=_defined(p_holm),
                p_unjudged_wrong=completed and _defined(completed.p_value),
                p_holm_unjudged_wrong=_defined(p_holm_of_all),
                problems=test.problems,
            )


def _tests(
    results: Sequence[MethodResults], decoding: str, name: str, pairs: Sequence[tuple[str, str]]
) -> list[tuple[statistics.PairedTest, float]]:
    """Return the test of each pair by a metric of the last attempt, and Holm's p-value of it."""
    last = {
        result.method.label: result.stacked(decoding, f"t{result.attempts}/{name}")
        for result in results
    }
    tests = statistics.paired_tests([(last[first], last[second]) for first, second in pairs])
    return list(zip(tests, statistics.holm([test.p_value for test in tests]), strict=True))


def _paired_names(config: CompareConfig, results: Sequence[MethodResults]) -> list[tuple[str, str]]:
    labels = [result.method.label for result in results]
    against = dict.fromkeys(x for x in (config.base, config.referred) if x in labels)
    return [
        (first, second)
        for first in against
        for second in labels
        # base and reference are one pair, not two
        if second != first and not (second == config.base and first == config.referred)
    ]
