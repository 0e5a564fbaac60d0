"""Paired tests on the same problems: a matrix of differences, and a list of all tests.

`selfcorrect compare` pairs every method with the base and with the reference, and no others.
"""

from __future__ import annotations

from selfcorrect_agents.comparison.report.sections.html_tables import details, note, row, table
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import MethodComparison, MethodPair
from selfcorrect_agents.comparison.results.formats import (
    UNDEFINED,
    count,
    interval,
    p_value,
    percent,
)
from selfcorrect_agents.pictures.markup import Child, Markup, join, tag

LEVEL = 0.05
"""Error probability of all tests of one way of decoding together."""

NOT_TESTED = "·"


def section(comparison: MethodComparison) -> Section | None:
    """Return the matrices of differences and the list of tests; None if there is no pair."""
    if not comparison.pairs:
        return None
    last = comparison.attempts
    decodings = list(dict.fromkeys(pair.decoding for pair in comparison.pairs))
    groups: list[tuple[Child, list[Markup]]] = [
        (
            decoding_title(d),
            [_row(pair, comparison.unjudged) for pair in comparison.pairs if pair.decoding == d],
        )
        for d in decodings
    ]
    heads = ["First", "Second", "Second − first", "95% interval"]
    heads += ["Only first right", "Only second right", "p", "p, Holm", "Problems"]
    if comparison.unjudged:
        heads += ["Second − first, unjudged wrong", "95% interval", "p", "p, Holm"]
    tests = table(f"Every paired test; differences of Acc@t{last} in points", heads, groups)
    return Section(
        "pairs",
        "Paired tests",
        (
            tag("p", f"Two methods on the same problems, at the last attempt (t{last})."),
            note(f"p: {comparison.test_of_pairs}."),
            *(_matrix(comparison, decoding) for decoding in decodings),
            details("All tests with their counts", tests),
        ),
    )


def _row(pair: MethodPair, unjudged: bool) -> Markup:
    completed = pair.unjudged_wrong
    more = [percent(completed and completed.value, signed=True), interval(completed, signed=True)]
    more += [p_value(pair.p_unjudged_wrong), p_value(pair.p_holm_unjudged_wrong)]
    return row(
        pair.first,
        [
            pair.second,
            percent(pair.difference.value, signed=True),
            interval(pair.difference, signed=True),
            count(pair.only_first),
            count(pair.only_second),
            p_value(pair.p_value),
            p_value(pair.p_holm),
            count(pair.problems),
            *(more if unjudged else []),
        ],
    )


def _matrix(comparison: MethodComparison, decoding: str) -> Markup:
    pairs = [pair for pair in comparison.pairs if pair.decoding == decoding]
    tested = {name for pair in pairs for name in (pair.first, pair.second)}
    names = [method.name for method in comparison.methods if method.name in tested]
    cells = {(name, name): tag("td") for name in names}
    for pair in pairs:
        cells[pair.second, pair.first] = _cell(pair, 1)
        cells[pair.first, pair.second] = _cell(pair, -1)
    untested = tag("td", NOT_TESTED, class_="untested")
    rows = [row(name, [cells.get((name, other), untested) for other in names]) for name in names]
    caption = (
        f"{decoding_title(decoding)}: Acc@t{comparison.attempts} of the row’s method minus the "
        "column’s, in points"
    )
    if comparison.unjudged:
        caption += ", with unjudged attempts counted as wrong"
    tests = "1 test" if len(pairs) == 1 else f"{len(pairs)} tests"
    told = f"{tests}; small: p, corrected by Holm’s method; bold: below {LEVEL:g}."
    if len(cells) < len(names) ** 2:
        told += f" {NOT_TESTED} marks pairs that were not tested."
    return join([table(caption, ["", *names], [(None, rows)]), note(told)])


def _cell(pair: MethodPair, sign: int) -> Markup:
    metric, p_holm = pair.ranking
    if metric.value is None:
        return tag("td", UNDEFINED)
    difference = sign * metric.value
    clear = p_holm is not None and p_holm < LEVEL
    value = tag("b" if clear else "span", percent(difference, signed=True))
    class_ = ("up" if difference > 0 else "down") if clear else "open"
    return tag("td", value, tag("small", p_value(p_holm)), class_=class_)
