"""The rows of a comparison's tables as text: a head, then one row for each method or pair.

Every function returns lists of cells, of which the first has the names of the columns. The terminal
and Markdown show the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import TypeAlias

from selfcorrect_agents.comparison.results.comparison import (
    TRANSITIONS,
    ComparedMethod,
    MethodComparison,
    MethodPair,
    MetricValue,
)
from selfcorrect_agents.comparison.results.formats import (
    UNDEFINED,
    clock,
    count,
    decimal,
    interval,
    p_value,
    percent,
    tokens,
    with_interval,
)

TableRows: TypeAlias = list[list[str]]
"""Head and rows, as cells of text."""

ORACLE_MARK = "†"
"""Follows the name of a method that is an oracle."""

SCALING_NAMES = {
    "parallel": "maj@k, parallel",
    "sequential": "maj@k, sequential",
    "equal_tokens": "maj@k, parallel at equal tokens",
    "pass_parallel": "pass@k, parallel",
    "pass_sequential": "pass@k, sequential",
    "pass_equal_tokens": "pass@k, parallel at equal tokens",
}
"""Field of `ScalingMetrics` -> its name in tables."""


def metric_columns(comparison: MethodComparison) -> dict[str, str]:
    """Return the metrics of the comparison, each with the title of its column.

    The names are those of `DecodingMetrics.named`.
    """
    return turn_columns(comparison) | delta_columns(comparison) | change_columns(comparison)


def turn_columns(comparison: MethodComparison) -> dict[str, str]:
    """Return the metrics of each attempt: accuracy, both ways to count unjudged attempts if there
    are any, and the mean score if credit is partial."""
    turns = range(1, comparison.attempts + 1)
    columns = {f"accuracy_t{turn}": f"acc@t{turn}" for turn in turns}
    if comparison.unjudged:
        columns |= {
            f"accuracy_unjudged_{how}_t{turn}": f"acc@t{turn}, unjudged {how}"
            for how in ("wrong", "right")
            for turn in turns
        }
    if comparison.partial_credit:
        columns |= {f"mean_score_t{turn}": f"score@t{turn}" for turn in turns}
    return columns


def delta_columns(comparison: MethodComparison) -> dict[str, str]:
    """Return the differences of accuracies: last and first, and successive ones if others."""
    last = comparison.attempts
    columns = {"delta": f"Δ(t1, t{last})"} if last > 1 else {}
    if last > 2:
        columns |= {f"delta_t{t}_t{t + 1}": f"Δ(t{t}, t{t + 1})" for t in range(1, last)}
    return columns


def is_signed(name: str) -> bool:
    """Return whether a metric is a difference, so that its numbers have a sign."""
    return name == "delta" or name.startswith("delta_t")


def change_columns(comparison: MethodComparison) -> dict[str, str]:
    """Return the metrics of what the last attempt changed; nothing with one attempt."""
    if comparison.attempts == 1:
        return {}
    return {
        "delta_i_to_c": "Δ i→c",
        "delta_c_to_i": "Δ c→i",
        "unchanged_answers": "same answer",
        "edit_distance_ratio": "edit ratio",
    }


def metric_rows(comparison: MethodComparison, decoding: str, columns: dict[str, str]) -> TableRows:
    """Return the means of these metrics with their intervals."""
    rows = [["method", *columns.values()]]
    for method in comparison.methods:
        values = method.metrics[decoding].named()
        cells = [with_interval(values[name], signed=is_signed(name)) for name in columns]
        rows.append([marked_name(method), *cells])
    return rows


def kl_columns(comparison: MethodComparison) -> TableRows:
    """Return the KL of each turn without the names of the methods, to join with other rows."""
    turns = range(comparison.attempts)
    rows = [[f"KL t{turn + 1}" for turn in turns]]
    for method in comparison.methods:
        values = method.kl or [None] * comparison.attempts
        rows.append([_nats(value) for value in values])
    return rows


def spent_columns(comparison: MethodComparison) -> TableRows:
    """Return episodes and time without the names of the methods, to join with other rows."""
    spent = [method.spent for method in comparison.methods]
    cells = [[count(each.episodes), clock(each.seconds)] for each in spent]
    return [["episodes", "time"], *cells]


def joined(rows: TableRows, more: TableRows) -> TableRows:
    """Return two tables with equally many rows side by side."""
    return [left + right for left, right in zip(rows, more, strict=True)]


def seed_rows(comparison: MethodComparison, decoding: str) -> TableRows:
    """Return the metrics of every seed."""
    columns = metric_columns(comparison)
    rows = [["method", "seed", *columns.values()]]
    for method in comparison.methods:
        values = method.metrics[decoding].named()
        for i, seed in enumerate(comparison.seeds):
            cells = [
                percent(value and value.seeds[i], signed=is_signed(name))
                for name, value in ((name, values[name]) for name in columns)
            ]
            rows.append([marked_name(method), str(seed), *cells])
    return rows


def transition_rows(comparison: MethodComparison, decoding: str) -> TableRows:
    """Return the share of every transition, and of the episodes that were not judged."""
    rows = [["method", *(name.replace("->", "→") for name in TRANSITIONS)]]
    for method in comparison.methods:
        shares = method.metrics[decoding].transitions
        rows.append([marked_name(method), *(percent(shares[name]) for name in TRANSITIONS)])
    return rows


def pair_rows(comparison: MethodComparison, decoding: str) -> TableRows:
    """Return every pair; only the head if there is none."""
    rows = [["method", "against", "difference", "only first right", "only second right"]]
    rows[0] += ["p", "p, Holm"]
    if comparison.unjudged:
        rows[0] += ["difference, unjudged wrong", "p, Holm, of it"]
    rows += [
        [
            pair.second,
            pair.first,
            with_interval(pair.difference, signed=True),
            str(pair.only_first),
            str(pair.only_second),
            p_value(pair.p_value),
            p_value(pair.p_holm),
            *(_of_all(pair) if comparison.unjudged else []),
        ]
        for pair in comparison.pairs
        if pair.decoding == decoding
    ]
    return rows


def _of_all(pair: MethodPair) -> list[str]:
    difference = with_interval(pair.unjudged_wrong, signed=True)
    return [difference, p_value(pair.p_holm_unjudged_wrong)]


def arrival_rows(comparison: MethodComparison, decoding: str) -> TableRows:
    """Return which seeds of every trained method arrived, and when; only the head if none can."""
    rows = [["method", "arrived", "95% interval", f"acc@t{comparison.attempts} of these"]]
    rows[0] += ["episodes until then, median", "from", "to"]
    for method in comparison.methods:
        found = method.arrivals.get(decoding)
        if found is None or not method.trained:
            continue
        when = [episodes for episodes in found.episodes if episodes is not None]
        of_seeds = [median(when), min(when), max(when)] if when else [None] * 3
        rows.append(
            [
                marked_name(method),
                f"{found.count} of {len(found.seeds)}",
                interval(found.share),
                with_interval(found.level),
                *map(count, of_seeds),
            ]
        )
    return rows


def arrival_pair_rows(comparison: MethodComparison, decoding: str) -> TableRows:
    """Return every pair of trained methods, seed by seed; only the head if there is none."""
    rows = [["method", "against", "seeds earlier", "seeds later", "p (sign test)"]]
    rows[0] += ["episodes, ratio", "arrived alone", "other alone", "p (McNemar)"]
    rows += [
        [
            pair.second,
            pair.first,
            str(pair.earlier_second),
            str(pair.earlier_first),
            p_value(pair.p_earlier),
            decimal(pair.ratio and 1 / pair.ratio),
            str(pair.only_second),
            str(pair.only_first),
            p_value(pair.p_arrived),
        ]
        for pair in comparison.arrival_pairs
        if pair.decoding == decoding
    ]
    return rows


def cost_rows(comparison: MethodComparison) -> TableRows:
    """Return what one seed spent, and the tokens of an episode in measuring."""
    rows = [["method", "training episodes", "training tokens", "tokens with a gradient"]]
    rows[0] += ["training time", "total time"]
    rows[0] += [f"tokens per episode, {decoding} (by attempt)" for decoding in comparison.decodings]
    for method in comparison.methods:
        spent = method.spent
        cells = [count(spent.episodes), count(spent.tokens), count(spent.gradient_tokens)]
        cells += [clock(spent.training_seconds), clock(spent.seconds)]
        cells += [_tokens(method.metrics[decoding].tokens) for decoding in comparison.decodings]
        rows.append([marked_name(method), *cells])
    return rows


def setting_rows(comparison: MethodComparison) -> TableRows:
    """Return the agent of every row, and its settings."""
    rows = [["method", "agent", "settings that differ from the preset"]]
    for method in comparison.methods:
        rows.append([marked_name(method), method.agent, settings_text(method) or UNDEFINED])
    return rows


def settings_text(method: ComparedMethod) -> str:
    """Return the settings of a row that differ from its preset's and its agent's, as text: its own
    preset, if it has one, then those of its training, then those of its playing."""
    preset = {} if method.preset is None else {"preset": method.preset}
    settings = {**preset, **method.learning, **method.play}
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def scaling_rows(comparison: MethodComparison) -> TableRows:
    """Return accuracy at each number of replies; only the head if none was sampled."""
    sampled = [(m, m.scaling) for m in comparison.methods if m.scaling is not None]
    numbers = sampled[0][1].replies if sampled else ()
    rows = [["method", "by", *(f"{n} {'reply' if n == 1 else 'replies'}" for n in numbers)]]
    for method, scaling in sampled:
        for key, name in SCALING_NAMES.items():
            if values := getattr(scaling, key):
                rows.append([marked_name(method), name, *map(with_interval, values)])
    return rows


def marked_name(method: ComparedMethod) -> str:
    """Return a method's name, with a mark if it is an oracle."""
    return f"{method.name} {ORACLE_MARK}" if method.oracle else method.name


def _nats(metric: MetricValue | None) -> str:
    return UNDEFINED if metric is None else decimal(metric.value, 3)


def _tokens(turns: Iterable[float] | None) -> str:
    if turns is None:
        return UNDEFINED
    each = list(turns)
    total = tokens(sum(each))
    return total if len(each) == 1 else f"{total} ({' + '.join(map(tokens, each))})"
