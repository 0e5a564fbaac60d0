"""Which seeds arrive, at what level and when: a picture of the episodes, and two tables."""

from __future__ import annotations

from selfcorrect_agents.comparison.report.sections.html_tables import (
    method_name,
    note,
    row,
    table,
)
from selfcorrect_agents.comparison.report.sections.plots import (
    at,
    grid_lines,
    line,
    named_rows,
    nice_axis,
    picture,
)
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.table_rows import arrival_pair_rows, arrival_rows
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import ComparedMethod, MethodComparison
from selfcorrect_agents.comparison.results.formats import count, short
from selfcorrect_agents.pictures.markup import Child, Markup, tag

HEIGHT = 20
"""Of a row of the picture, in pixels."""


def section(comparison: MethodComparison) -> Section | None:
    """Return the arrivals; None without a level of arrival or without a trained method."""
    if comparison.arrival is None or not any(method.trained for method in comparison.methods):
        return None
    last, level = comparison.attempts, f"{100 * comparison.arrival:g}%"
    counted = ", with unjudged attempts counted as wrong" if comparison.unjudged else ""
    head, *_ = arrival_rows(comparison, comparison.decodings[0])
    return Section(
        "arrivals",
        "Arrivals",
        (
            tag("p", f"A seed arrives if its Acc@t{last} is at least {level}{counted}."),
            _picture(comparison),
            table("Seeds that arrive", [head[0].capitalize(), *head[1:]], _arrivals(comparison)),
            note(
                "Intervals of the share of seeds are Clopper–Pearson’s. Episodes are those of "
                "training, until the mean accuracy of the last 4% of the log, or the accuracy "
                "after a fit, first reaches the level."
            ),
            _earlier(comparison),
        ),
    )


def _arrivals(comparison: MethodComparison) -> list[tuple[Child, list[Markup]]]:
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        methods = [m for m in comparison.methods if m.trained and decoding in m.arrivals]
        _, *rows = arrival_rows(comparison, decoding)
        shown = [row(method_name(m), cells[1:]) for m, cells in zip(methods, rows, strict=True)]
        groups.append((decoding_title(decoding), shown))
    return groups


def _earlier(comparison: MethodComparison) -> Markup | None:
    if not comparison.arrival_pairs:
        return None
    tables = {d: arrival_pair_rows(comparison, d) for d in comparison.decodings}
    head = tables[comparison.decodings[0]][0]
    groups: list[tuple[Child, list[Markup]]] = [
        (decoding_title(d), [row(cells[0], cells[1:]) for cells in rows[1:]])
        for d, rows in tables.items()
    ]
    heads = [head[0].capitalize(), *head[1:]]
    return table("Which arrives earlier, seed by seed; p is not corrected", heads, groups)


def _picture(comparison: MethodComparison) -> Markup | None:
    """Return a row for each method with a tick for each seed, at its episodes until arrival."""
    decoding = comparison.decodings[0]
    methods = [m for m in comparison.methods if m.trained and decoding in m.arrivals]
    known = [e for m in methods for e in m.arrivals[decoding].episodes if e is not None]
    if not known:
        return None
    axis = nice_axis(0.0, max(known), short)
    rows = []
    for method in methods:
        when = method.arrivals[decoding].episodes
        marks = [
            line(at(axis.position(e)), 3, at(axis.position(e)), HEIGHT - 3, "seed last")
            for e in when
            if e is not None
        ]
        drawn = picture(HEIGHT, _told(method, when), *grid_lines(axis, HEIGHT), *marks)
        rows.append((method_name(method), drawn))
    title = f"{decoding_title(decoding)}: until arrival, each seed"
    return named_rows(title, "training episodes", rows, axis)


def _told(method: ComparedMethod, when: tuple[float | None, ...]) -> str:
    return f"{method.name}: {', '.join(map(count, when))} episodes until arrival"
