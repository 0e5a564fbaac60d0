"""A comparison for spreadsheets: the content of table.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from selfcorrect_agents.comparison.report.table_rows import SCALING_NAMES
from selfcorrect_agents.comparison.results.comparison import (
    ComparedMethod,
    MethodComparison,
    MetricValue,
)

HEAD = ("method", "decoding", "metric", "seed", "value", "low", "high")


def to_csv(comparison: MethodComparison) -> str:
    """Return one row for each method × decoding × metric × seed.

    The columns are `HEAD`; seed is "mean" for the mean over seeds. Shares and scores are in [0, 1],
    KL is in nats; an undefined value is empty. The metrics are those of `DecodingMetrics.named`
    (``accuracy_t1`` … ``accuracy_tK``, ``delta`` …), and:

    - ``kl_t1`` …, without a decoding;
    - ``transition c->c`` …: shares;
    - ``arrived``, ``accuracy_tK of arrived``, ``episodes to arrival``: with a level of
      arrival; unjudged attempts count as wrong in these;
    - ``accuracy_tK minus BASE``, ``p of …`` and ``Holm's p of …`` it: pairs with BASE; and the
      same of ``accuracy_tK minus BASE with unjudged wrong`` if an episode was not judged;
    - ``seeds earlier than BASE``, ``seeds later than BASE`` …: pairs of arrivals with BASE;
    - ``parallel, 8 replies`` …: scaling, without a decoding;
    - ``spent episodes`` …: cost, without a decoding, and ``tokens per episode``, ``tokens at
      attempt 1`` … in measuring.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(HEAD)
    for method in comparison.methods:
        for decoding, name, metric in _metrics(method):
            start = [method.name, decoding, name]
            rows.writerow([*start, "mean", metric.value, metric.low, metric.high])
            for seed, value in zip(comparison.seeds, metric.seeds, strict=True):
                rows.writerow([*start, seed, value, None, None])
        for decoding, name, value in _means(method):
            rows.writerow([method.name, decoding, name, "mean", value, None, None])
        for decoding, found in method.arrivals.items():
            if found.level is not None:
                low, high = found.level.low, found.level.high
                name = f"accuracy_t{comparison.attempts} of arrived"
                rows.writerow([method.name, decoding, name, "mean", found.level.value, low, high])
            for seed, episodes in zip(comparison.seeds, found.episodes, strict=True):
                start = [method.name, decoding, "episodes to arrival", seed]
                rows.writerow([*start, episodes, None, None])
    for pair in comparison.pairs:
        difference = pair.difference
        name = f"accuracy_t{comparison.attempts} minus {pair.first}"
        start = [pair.second, pair.decoding]
        rows.writerow([*start, name, "mean", difference.value, difference.low, difference.high])
        rows.writerow([*start, f"p of {name}", "mean", pair.p_value, None, None])
        rows.writerow([*start, f"Holm's p of {name}", "mean", pair.p_holm, None, None])
        if (of_all := pair.unjudged_wrong) is not None:
            name += " with unjudged wrong"
            rows.writerow([*start, name, "mean", of_all.value, of_all.low, of_all.high])
            rows.writerow([*start, f"p of {name}", "mean", pair.p_unjudged_wrong, None, None])
            p_holm = pair.p_holm_unjudged_wrong
            rows.writerow([*start, f"Holm's p of {name}", "mean", p_holm, None, None])
    for pair in comparison.arrival_pairs:
        start = [pair.second, pair.decoding]
        for name, value in (
            (f"seeds earlier than {pair.first}", pair.earlier_second),
            (f"seeds later than {pair.first}", pair.earlier_first),
            (f"p of earlier than {pair.first}", pair.p_earlier),
            (f"episodes to arrival over those of {pair.first}", pair.ratio and 1 / pair.ratio),
            (f"seeds arrived without {pair.first}", pair.only_second),
            (f"seeds not arrived with {pair.first}", pair.only_first),
            (f"p of arrived unlike {pair.first}", pair.p_arrived),
        ):
            rows.writerow([*start, name, "mean", value, None, None])
    return out.getvalue()


def _metrics(method: ComparedMethod) -> Iterator[tuple[str, str, MetricValue]]:
    """Yield (decoding, name, metric) of the metrics that have a value for each seed."""
    for decoding, metrics in method.metrics.items():
        for name, metric in metrics.named().items():
            if metric is not None:
                yield decoding, name, metric
    for decoding, found in method.arrivals.items():
        yield decoding, "arrived", found.share
    for turn, kl in enumerate(method.kl, start=1):
        if kl is not None:
            yield "", f"kl_t{turn}", kl
    if method.scaling is not None:
        for key in SCALING_NAMES:
            values = getattr(method.scaling, key)
            for number, metric in zip(method.scaling.replies, values, strict=bool(values)):
                yield "", f"{key}, {number} replies", metric


def _means(method: ComparedMethod) -> Iterator[tuple[str, str, float | None]]:
    """Yield (decoding, name, value) of the numbers that are only kept as a mean over seeds."""
    for decoding, metrics in method.metrics.items():
        for transition, share in metrics.transitions.items():
            yield decoding, f"transition {transition}", share
        if metrics.tokens is not None:
            yield decoding, "tokens per episode", sum(metrics.tokens)
            for turn, value in enumerate(metrics.tokens, start=1):
                yield decoding, f"tokens at attempt {turn}", value
    spent = method.spent
    yield "", "spent episodes", spent.episodes
    yield "", "spent tokens", spent.tokens
    yield "", "spent training_seconds", spent.training_seconds
    yield "", "spent gradient tokens", spent.gradient_tokens
    yield "", "spent seconds", spent.seconds
