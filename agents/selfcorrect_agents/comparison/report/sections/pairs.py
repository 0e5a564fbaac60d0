"""Paired tests on the same problems, as the comparison made them: a matrix, and a list of all.

`selfcorrect compare` pairs every method with the base and with the reference, and no others; a
place of the matrix without a test stays empty.
"""

from __future__ import annotations

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.tables import details, missing, note, row, table
from selfcorrect_agents.comparison.results.comparison import Comparison, Pair, decoding_title
from selfcorrect_agents.comparison.results.formats import count, interval, p_value, percent

LEVEL = 0.05
"""Error probability of all tests of one way of decoding together."""


def pairs_section(comparison: Comparison) -> Markup:
    """Return the matrices of differences, one for each way of decoding, and the whole list."""
    if not comparison.pairs:
        return missing("No two methods were tested against each other.")
    decodings = list(dict.fromkeys(pair.decoding for pair in comparison.pairs))
    parts = [_matrix(comparison, decoding) for decoding in decodings]
    groups: list[tuple[Child, list[Markup]]] = [
        (decoding_title(d), [_row(pair) for pair in comparison.pairs if pair.decoding == d])
        for d in decodings
    ]
    heads = ["First", "Second", "Second − first", "95% interval"]
    heads += ["Only first right", "Only second right", "p", "Problems"]
    listed = table("Every paired test; differences of Acc@t2 in points", heads, groups)
    return join([*parts, details("All tests with their counts", listed)])


def _row(pair: Pair) -> Markup:
    difference = pair.difference.value if pair.difference else None
    return row(
        pair.first,
        [
            pair.second,
            percent(difference, signed=True),
            interval(pair.difference, signed=True),
            count(pair.only_first),
            count(pair.only_second),
            p_value(pair.p_value),
            count(pair.problems),
        ],
    )


def _matrix(comparison: Comparison, decoding: str) -> Markup:
    pairs = [pair for pair in comparison.pairs if pair.decoding == decoding]
    tested = {name for pair in pairs for name in (pair.first, pair.second)}
    names = [method.name for method in comparison.methods if method.name in tested]
    names += sorted(tested - set(names))
    level = LEVEL / len(pairs)
    cells: dict[tuple[str, str], Markup] = {}
    for pair in pairs:
        cells[pair.second, pair.first] = _cell(pair, 1, level)
        cells[pair.first, pair.second] = _cell(pair, -1, level)
    nothing = tag("td", "·", class_="self")
    rows = [row(name, [cells.get((name, other), nothing) for other in names]) for name in names]
    caption = (
        f"{decoding_title(decoding)}: Acc@t2 of the row’s method minus the column’s, in points"
    )
    tests = "1 test" if len(pairs) == 1 else f"{len(pairs)} tests"
    told = f"{tests}; bold: p < {LEVEL:g}/{len(pairs)} = {level:.2g} (Bonferroni), small: p."
    return join([table(caption, ["", *names], [(None, rows)]), note(told)])


def _cell(pair: Pair, sign: int, level: float) -> Markup:
    if pair.difference is None:
        return tag("td", "–")
    shown = percent(sign * pair.difference.value, signed=True)
    clear = pair.p_value is not None and pair.p_value < level
    value = tag("b" if clear else "span", shown)
    class_ = ("up" if sign * pair.difference.value > 0 else "down") if clear else "open"
    return tag("td", value, tag("small", p_value(pair.p_value)), class_=class_)
