"""What each method spent: on its training, on time, and on replies in measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.tables import method_name, row, table
from selfcorrect_agents.comparison.results.comparison import Comparison, Method, decoding_title
from selfcorrect_agents.comparison.results.formats import count, duration, tokens

COLUMNS: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "episodes": ("Training episodes", count),
    "tokens": ("Tokens sampled in training", count),
    "training_seconds": ("Training time", duration),
    "seconds": ("Time in all", duration),
}


def cost_section(comparison: Comparison) -> Markup:
    """Return the costs of training and measuring, and the tokens of an episode, where known."""
    most = {name: _most(m.spent.get(name) for m in comparison.methods) for name in COLUMNS}
    rows = []
    for method in comparison.methods:
        cells = []
        for name, (_, write) in COLUMNS.items():
            spent = method.spent.get(name)
            cells.append(_cell(write(spent), spent, most[name]))
        rows.append(row(method_name(method), cells))
    heads = ["Method", *(title for title, _ in COLUMNS.values())]
    spent = table("Spent by one seed, mean over seeds", heads, [(None, rows)])
    return join([spent, _tokens_table(comparison)])


def _tokens_table(comparison: Comparison) -> Markup | None:
    """Return the tokens of an episode in measuring, by turn; None where no method counted any."""
    groups: list[tuple[Child, list[Markup]]] = []
    longest = 0
    for decoding in comparison.decodings:
        known = [m for m in comparison.methods if m.tokens.get(decoding)]
        most = _most(_episode(method, decoding) for method in known)
        turns = max((len(_turns(method, decoding)) for method in known), default=0)
        longest = max(longest, turns)
        rows = [
            row(
                method_name(method),
                [
                    _cell(tokens(_episode(method, decoding)), _episode(method, decoding), most),
                    *(tokens(turn) for turn in _turns(method, decoding)),
                ],
            )
            for method in known
        ]
        if rows:
            groups.append((decoding_title(decoding), rows))
    if not groups:
        return None
    heads = ["Method", "An episode", *(f"Attempt {turn + 1}" for turn in range(longest))]
    return table("Tokens sampled in measuring, mean of an episode", heads, groups)


def _episode(method: Method, decoding: str) -> float | None:
    return method.tokens[decoding]["episode"]


def _turns(method: Method, decoding: str) -> list[float]:
    return list(method.tokens[decoding]["turns"])


def _most(values: Iterable[float | None]) -> float:
    return max((value or 0.0 for value in values), default=0.0)


def _cell(written: str, value: float | None, most: float) -> Markup:
    """Return a cell with a bar for the eye."""
    share = (value or 0.0) / most if most else 0.0
    bar = tag("rect", width=f"{100 * share:.1f}%", height=4)
    return tag("td", written, tag("svg", bar, height=4, class_="spent", aria_hidden="true"))
