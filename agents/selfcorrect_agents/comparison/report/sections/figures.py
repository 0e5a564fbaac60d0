"""The five figures of the paper (section 3): a picture, a table, and each seed's values."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.plots import (
    Axis,
    at,
    line,
    nice_axis,
    picture,
    words,
)
from selfcorrect_agents.comparison.report.sections.tables import (
    details,
    method_name,
    missing,
    row,
    table,
    value_cell,
)
from selfcorrect_agents.comparison.results.comparison import (
    Comparison,
    Figure,
    Method,
    decoding_title,
)
from selfcorrect_agents.comparison.results.formats import UNDEFINED, interval, percent

FIVE = ("accuracy_t1", "accuracy_t2", "delta", "delta_i_to_c", "delta_c_to_i")
HEADS: dict[str, Markup] = {
    "accuracy_t1": Markup("Acc@t1"),
    "accuracy_t2": Markup("Acc@t2"),
    "delta": Markup("Δ<span class=args>(t1, t2)</span>"),
    "delta_i_to_c": Markup("Δ<sup>i→c</sup>"),
    "delta_c_to_i": Markup("Δ<sup>c→i</sup>"),
}
LOWER_IS_BETTER = {"delta_c_to_i"}
SIGNED = {"delta"}
ROW = 40
"""Height of a method's row in the picture, in pixels."""


def headline(comparison: Comparison) -> Markup:
    """Return one sentence for each way of decoding: whose second attempt is best."""
    return join(
        tag("p", *_best_sentence(comparison, decoding), class_="headline")
        for decoding in comparison.decodings
    )


def dots(comparison: Comparison) -> Markup:
    """Return, for each way of decoding, the picture of first and second attempts."""
    axis = _accuracy_axis(comparison)
    if axis is None:
        return missing("No accuracy was measured.")
    return tag(
        "div", *(_dot_plot(comparison, d, axis) for d in comparison.decodings), class_="halves"
    )


def figures_table(comparison: Comparison) -> Markup:
    """Return the table of the five figures; the best of the methods is marked, oracles apart."""
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        best = {name: _best(comparison.methods, decoding, name) for name in FIVE}
        rows = []
        for method in _oracles_last(comparison.methods):
            cells = []
            for name in FIVE:
                figure, signed = method.figure(decoding, name), name in SIGNED
                shown = percent(figure.value if figure else None, signed=signed)
                marked = not method.oracle and shown == best[name]
                cells.append(value_cell(shown, interval(figure, signed=signed), best=marked))
            rows.append(row(method_name(method), cells, class_="oracle" if method.oracle else None))
        groups.append((decoding_title(decoding), rows))
    return table("The five figures, in percent", ["Method", *HEADS.values()], groups, class_="wide")


def seeds_table(comparison: Comparison) -> Markup:
    """Return every seed's five figures, to be opened."""
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        rows = []
        for method in _oracles_last(comparison.methods):
            values = [(name, method.figure(decoding, name)) for name in FIVE]
            count = max((len(f.seeds) for _, f in values if f), default=0)
            for i in range(count):
                label = seed_label(comparison, i, count)
                cells = [
                    percent(f.seeds[i], signed=name in SIGNED)
                    if f and i < len(f.seeds)
                    else UNDEFINED
                    for name, f in values
                ]
                rows.append(row(join([method.name, ", ", label]), cells))
        groups.append((decoding_title(decoding), rows))
    if not any(rows for _, rows in groups):
        return missing("No values of single seeds were kept.")
    whole = table("Each seed's figures, in percent", ["Method, seed", *HEADS.values()], groups)
    return details("Each seed’s values", whole)


def seed_label(comparison: Comparison, index: int, count: int) -> str:
    """Return what the ``index``-th of ``count`` values is called."""
    known = len(comparison.seeds) == count
    return f"seed {comparison.seeds[index]}" if known else f"run {index + 1} of {count}"


def _oracles_last(methods: Sequence[Method]) -> list[Method]:
    return sorted(methods, key=lambda method: method.oracle)


def _best(methods: Sequence[Method], decoding: str, name: str) -> str | None:
    """Return the best value as it is printed, so that all that print the same share the mark."""
    found = [m.figure(decoding, name) for m in methods if not m.oracle]
    values = [figure.value for figure in found if figure]
    if len(values) < 2:
        return None
    best = min(values) if name in LOWER_IS_BETTER else max(values)
    return percent(best, signed=name in SIGNED)


def _best_sentence(comparison: Comparison, decoding: str) -> list[Child]:
    best = _best(comparison.methods, decoding, "accuracy_t2")
    where = f"{decoding_title(decoding)}: "
    leaders = [
        method
        for method in comparison.methods
        if not method.oracle
        and (figure := method.figure(decoding, "accuracy_t2"))
        and percent(figure.value) == best
    ]
    if not leaders:
        return [where, "there are not two methods to compare."]
    names = join((tag("b", method.name) for method in leaders), ", ")
    figure = leaders[0].figure(decoding, "accuracy_t2")
    told: list[Child] = [where, names, " best at the second attempt, with "]
    told += [tag("b", f"{best}%"), f" {interval(figure)}" if len(leaders) == 1 else " each"]
    first, delta = (leaders[0].figure(decoding, name) for name in ("accuracy_t1", "delta"))
    if len(leaders) == 1 and first and delta:
        told.append(f", after {percent(first.value)}% at the first ")
        told.append(f"(Δ {percent(delta.value, signed=True)})")
    return [*told, "."]


# -- the picture --------------------------------------------------------------------------------
def _accuracy_axis(comparison: Comparison) -> Axis | None:
    spans = [
        figure.span
        for method in comparison.methods
        for decoding in comparison.decodings
        for name in ("accuracy_t1", "accuracy_t2")
        if (figure := method.figure(decoding, name))
    ]
    if not spans:
        return None
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    axis = nice_axis(low, high, lambda share: percent(share, digits=0))
    margin = 0.02 * (axis.high - axis.low)
    ticks = tuple(tick for tick in axis.ticks if 0 <= tick <= 1)
    return Axis(ticks[0] - margin, ticks[-1] + margin, ticks, axis.label)


def _dot_plot(comparison: Comparison, decoding: str, axis: Axis) -> Markup:
    rows = [
        tag("div", method_name(method), _dot_row(method, decoding, axis), class_="row")
        for method in _oracles_last(comparison.methods)
    ]
    ticks = [
        words(at(axis.place(tick)), 12, axis.label(tick), text_anchor="middle")
        for tick in axis.ticks
    ]
    scale = tag("svg", *ticks, class_="plot", height=18, aria_hidden="true")
    return tag(
        "figure",
        tag("figcaption", decoding_title(decoding), tag("span", "accuracy, %", class_="unit")),
        *rows,
        tag("div", tag("span"), scale, class_="row", aria_hidden="true"),
        class_="dots",
    )


def _dot_row(method: Method, decoding: str, axis: Axis) -> Markup:
    first, second = (method.figure(decoding, name) for name in FIVE[:2])
    parts = [line(at(axis.place(t)), 0, at(axis.place(t)), ROW, "grid") for t in axis.ticks]
    if first and second:
        went = "gain" if second.value >= first.value else "loss"
        ends = at(axis.place(first.value)), at(axis.place(second.value))
        parts.append(line(ends[0], 12, ends[1], 28, f"link {went}"))
    for figure, y, style in ((first, 12, "first"), (second, 28, "second")):
        if figure:
            parts += _dot(figure, y, style, axis)
    label = ", ".join(
        f"attempt {i}: {percent(f.value)} {interval(f)}" if f else f"attempt {i}: not measured"
        for i, f in enumerate((first, second), 1)
    )
    return picture(ROW, f"{method.name}: {label}", *parts)


def _dot(figure: Figure, y: int, style: str, axis: Axis) -> list[Markup]:
    place = at(axis.place(figure.value))
    parts = [
        line(at(axis.place(seed)), y - 6, at(axis.place(seed)), y + 6, f"seed {style}")
        for seed in figure.seeds
        if seed is not None
    ]
    if figure.low is not None and figure.high is not None:
        ends = at(axis.place(figure.low)), at(axis.place(figure.high))
        parts.append(line(ends[0], y, ends[1], y, f"whisker {style}"))
    name = "First attempt" if style == "first" else "Second attempt"
    told = tag("title", f"{name}: {percent(figure.value)}% {interval(figure)}")
    return [*parts, tag("circle", told, cx=place, cy=y, r=4, class_=f"dot {style}")]
