"""Accuracy at each attempt and what the last one changed: a picture and tables."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_agents.comparison.report.sections.accuracy_plot import accuracy_plots
from selfcorrect_agents.comparison.report.sections.html_tables import (
    details,
    method_name,
    note,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.sections.turns import delta_head, turn_legend
from selfcorrect_agents.comparison.report.table_rows import (
    delta_columns,
    is_signed,
    settings_text,
)
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import (
    ComparedMethod,
    MethodComparison,
    MetricValue,
)
from selfcorrect_agents.comparison.results.formats import interval, p_value, percent
from selfcorrect_agents.pictures.markup import Child, Markup, join, one_line, tag

LOWER_IS_BETTER = {"delta_c_to_i"}

RANKING = "accuracy_unjudged_wrong"
"""Start of the names of the metrics that rank methods where attempts were not judged."""

LEVEL = 0.05
"""Below this p-value, corrected for the number of pairs, two methods are told apart."""


def section(comparison: MethodComparison) -> Section:
    """Return the section at the top of the page."""
    more = (("whisker", "95% interval"), ("seed", "each seed"))
    return Section(
        "metrics",
        "Metrics",
        (
            headline(comparison),
            accuracy_plots(comparison),
            turn_legend(comparison.attempts, "Acc@t", *more, line=False),
            metrics_table(comparison),
            note(*_explained(comparison)),
            note(f"95% intervals: {comparison.intervals}."),
            *(note(line) for line in comparison.notes),
            seeds_table(comparison),
            details("What the methods are", tag("dl", _methods(comparison), class_="methods")),
        ),
    )


def columns(comparison: MethodComparison) -> dict[str, Child]:
    """Return the metrics of the tables, named as in `DecodingMetrics.named`, with their heads."""
    turns = range(1, comparison.attempts + 1)
    heads: dict[str, Child] = {f"accuracy_t{turn}": f"Acc@t{turn}" for turn in turns}
    if comparison.unjudged:
        heads |= {
            f"accuracy_unjudged_{how}_t{turn}": f"Acc@t{turn}, unjudged {how}"
            for how in ("wrong", "right")
            for turn in turns
        }
    if comparison.partial_credit:
        heads |= {f"mean_score_t{turn}": f"Score@t{turn}" for turn in turns}
    if comparison.attempts > 1:
        heads |= {
            **{name: delta_head(title) for name, title in delta_columns(comparison).items()},
            "delta_i_to_c": join(["Δ", tag("sup", "i→c")]),
            "delta_c_to_i": join(["Δ", tag("sup", "c→i")]),
        }
    return heads


def headline(comparison: MethodComparison) -> Markup:
    """Return a sentence for each way of decoding: which method arrives with most seeds, or, where
    none arrives, which has the highest accuracy at the last attempt, and whether the next differs.

    Unjudged attempts count as wrong in it, so that no method leads by what was not judged.
    Oracles and instruments are left out; there is no sentence about fewer than two methods.
    """
    sentences = (
        _arrival_sentence(comparison, decoding)
        if comparison.arrives(decoding)
        else _highest_sentence(comparison, decoding)
        for decoding in comparison.decodings
    )
    return join(tag("p", *sentence, class_="headline") for sentence in sentences if sentence)


def metrics_table(comparison: MethodComparison) -> Markup:
    """Return the table of the metrics; the best method of each column is marked: with unjudged
    attempts, of those columns alone that count them as wrong."""
    groups: list[tuple[Child, list[Markup]]] = []
    heads = columns(comparison)
    for decoding in comparison.decodings:
        best = {
            name: _best(comparison.methods, decoding, name)
            for name in heads
            if not comparison.unjudged or name.startswith(RANKING)
            if _differ(comparison.methods, decoding, name)
        }
        rows = []
        for method in ranked_first(comparison.methods):
            cells = []
            for name in heads:
                metric, signed = method.metrics[decoding].named()[name], is_signed(name)
                shown = percent(metric and metric.value, signed=signed)
                marked = method.ranked and shown == best.get(name)
                cells.append(value_cell(shown, interval(metric, signed=signed), best=marked))
            rows.append(row(method_name(method), cells, class_=None if method.ranked else "aside"))
        groups.append((decoding_title(decoding), rows))
    return table("Metrics, in percent", ["Method", *heads.values()], groups, class_="wide")


def seeds_table(comparison: MethodComparison) -> Markup:
    """Return every seed's metrics, to be opened."""
    groups: list[tuple[Child, list[Markup]]] = []
    heads = columns(comparison)
    for decoding in comparison.decodings:
        rows = []
        for method in ranked_first(comparison.methods):
            values = method.metrics[decoding].named()
            for i, seed in enumerate(comparison.seeds):
                cells = [
                    percent(_seed_value(values[name], i), signed=is_signed(name)) for name in heads
                ]
                rows.append(row(f"{method.name}, seed {seed}", cells))
        groups.append((decoding_title(decoding), rows))
    everything = table("Each seed's metrics, in percent", ["Method, seed", *heads.values()], groups)
    return details("Each seed’s values", everything)


def ranked_first(methods: Sequence[ComparedMethod]) -> list[ComparedMethod]:
    """Return the methods in their order, oracles and instruments last."""
    return sorted(methods, key=lambda method: not method.ranked)


def _seed_value(metric: MetricValue | None, index: int) -> float | None:
    return metric.seeds[index] if metric and index < len(metric.seeds) else None


def _differ(methods: Sequence[ComparedMethod], decoding: str, name: str) -> bool:
    """Whether two methods have different values, as they are printed."""
    return len({percent(value) for value in _values(methods, decoding, name)}) > 1


def _values(methods: Sequence[ComparedMethod], decoding: str, name: str) -> list[float]:
    found = [m.metrics[decoding].named()[name] for m in methods if m.ranked]
    return [metric.value for metric in found if metric and metric.value is not None]


def _best(methods: Sequence[ComparedMethod], decoding: str, name: str) -> str | None:
    """Return the best value as it is printed, so that methods with equal text share the mark."""
    values = _values(methods, decoding, name)
    if len(values) < 2:
        return None
    best = min(values) if name in LOWER_IS_BETTER else max(values)
    return percent(best, signed=is_signed(name))


def _arrival_sentence(comparison: MethodComparison, decoding: str) -> list[Child]:
    trained = [method for method in comparison.methods if method.trained and method.ranked]
    counts = [method.arrivals[decoding].count for method in trained]
    if len(trained) < 2:
        return []
    leaders = [m for m, found in zip(trained, counts, strict=True) if found == max(counts)]
    names = join((tag("b", method.name) for method in leaders), ", ")
    said = f"{max(counts)} of {len(comparison.seeds)}"
    level = f"{100 * (comparison.arrival or 0):g}%"
    each = " each" if len(leaders) > 1 else ""
    most = " arrive at " if len(leaders) == len(trained) else ", the most, arrive at "
    return [
        f"{decoding_title(decoding)}: ",
        names,
        ": ",
        tag("b", said),
        f" seeds{each}{most}{level}",
        ", with unjudged attempts counted as wrong." if comparison.unjudged else ".",
    ]


def _highest_sentence(comparison: MethodComparison, decoding: str) -> list[Child]:
    last = comparison.attempts
    name = f"{RANKING}_t{last}" if comparison.unjudged else f"accuracy_t{last}"
    best = _best(comparison.methods, decoding, name)
    if best is None:
        return []
    values = {m.name: m.metrics[decoding].named()[name] for m in comparison.methods if m.ranked}
    shown = {name: percent(value and value.value) for name, value in values.items()}
    leaders = [name for name, value in shown.items() if value == best]
    names = join((tag("b", name) for name in leaders), ", ")
    verb = "has" if len(leaders) == 1 else "have"
    said: list[Child] = [f"{decoding_title(decoding)}: ", names, f" {verb} the highest Acc@t{last}"]
    said.append(" with unjudged attempts counted as wrong, " if comparison.unjudged else ", ")
    said.append(tag("b", f"{best}%"))
    if len(leaders) > 1:
        return [*said, " each."]
    (leader,) = leaders
    (metrics,) = (m.metrics[decoding] for m in comparison.methods if m.name == leader)
    if value := interval(values[leader]):
        said.append(f" {value}")
    if metrics.delta is not None and not comparison.unjudged:
        said.append(f", after {percent(metrics.accuracy[0].value)}% at t1 ")
        said.append(f"(Δ {percent(metrics.delta.value, signed=True)})")
    others = [n for n, value in values.items() if n != leader and value and value.value is not None]
    following = max(others, key=lambda name: _value(values[name]))
    said += ["; ", tag("b", following), f" is next with {shown[following]}%, "]
    return [*said, _told_apart(comparison, decoding, {leader, following}), "."]


def _value(metric: MetricValue | None) -> float:
    return -1.0 if metric is None or metric.value is None else metric.value


def _told_apart(comparison: MethodComparison, decoding: str, names: set[str]) -> str:
    """Return whether the paired test of two methods, corrected, tells them apart."""
    for pair in comparison.pairs:
        if pair.decoding == decoding and {pair.first, pair.second} == names:
            _, p_holm = pair.ranking
            if p_holm is None:
                break
            different = "different" if p_holm < LEVEL else "not told apart"
            return f"{different} (p = {p_value(p_holm)}, Holm)"
    return "without a test of the two"


def _explained(comparison: MethodComparison) -> list[Child]:
    """Return what the table's columns and marks mean."""
    last = comparison.attempts
    said: list[Child] = [
        "Values are means over seeds with 95% intervals. Acc@t: share of the problems that attempt "
        "t answers right. Overlapping intervals are no difference by themselves: see the paired "
        "tests. Bold: the best value of each column, if there are several, told apart or not",
        " that counts unjudged attempts as wrong. " if comparison.unjudged else ". ",
    ]
    if comparison.partial_credit:
        said.append(
            "Score@t: mean score of attempt t; the verifier gives partial credit, and only a score "
            "of 1 counts as right. "
        )
    if last > 1:
        i_to_c, c_to_i = tag("sup", "i→c"), tag("sup", "c→i")
        said += [
            f"Δ(t1, t{last}) = Acc@t{last} − Acc@t1 = Δ",
            i_to_c,
            " − Δ",
            c_to_i,
            "; Δ",
            i_to_c,
        ]
        said += [f": share of the problems wrong at t1 and right at t{last}, Δ", c_to_i]
        said.append(": the reverse. ")
    if any(method.oracle for method in comparison.methods):
        said += ["An ", tag("span", "oracle", class_="mark"), " sees what no model may see. "]
    if any(method.instrument and not method.oracle for method in comparison.methods):
        said += ["An ", tag("span", "instrument", class_="mark")]
        said.append(" is an agent with known results. ")
    if not all(method.ranked for method in comparison.methods):
        said.append("Neither is ever marked as the best.")
    return said


def _methods(comparison: MethodComparison) -> Markup:
    """Return every method's name with a line about it, and its settings."""
    entries = []
    for method in comparison.methods:
        mark = None if method.trained else tag("span", "not trained", class_="mark")
        summary = method.summary or "No description."
        settings = settings_text(method)
        told = tag("dd", one_line(f"Settings: {settings}.", 1000)) if settings else None
        entries.append(tag("div", tag("dt", method_name(method), mark), tag("dd", summary), told))
    return join(entries)
