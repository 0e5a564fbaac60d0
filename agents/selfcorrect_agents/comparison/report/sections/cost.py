"""What each method spent: episodes and time of training, tokens of an episode in measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from selfcorrect_agents.comparison.report.sections.html_tables import method_name, row, table
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.titles import decoding_title
from selfcorrect_agents.comparison.results.comparison import MethodComparison
from selfcorrect_agents.comparison.results.formats import count, duration, tokens
from selfcorrect_agents.pictures.markup import Child, Markup, tag

COLUMNS: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "episodes": ("Training episodes", count),
    "tokens": ("Tokens sampled in training", count),
    "gradient_tokens": ("Tokens with a gradient", count),
    "training_seconds": ("Training time", duration),
    "seconds": ("Total time", duration),
}
"""Field of `Spent` -> its title, and how it is written."""

ABOUT = (
    "Times are wall-clock times of processes that share one machine, so they are a rough guide. "
    "The total time is that of training, measuring and the samples for scaling. Tokens are all "
    "that an agent generated for a reply, a critique or several samples included."
)


def section(comparison: MethodComparison) -> Section:
    """Return the costs of training, and the tokens of an episode in measuring if known."""
    spent = [method.spent for method in comparison.methods]
    most = {name: _most(getattr(each, name) for each in spent) for name in COLUMNS}
    rows = []
    for method in comparison.methods:
        cells = []
        for name, (_, write) in COLUMNS.items():
            value = getattr(method.spent, name)
            cells.append(_cell(write(value), value, most[name]))
        rows.append(row(method_name(method), cells))
    heads = ["Method", *(title for title, _ in COLUMNS.values())]
    trained = table("Spent by one seed, mean over seeds", heads, [(None, rows)])
    return Section("cost", "Cost", (tag("p", ABOUT), trained, _tokens_table(comparison)))


def _tokens_table(comparison: MethodComparison) -> Markup | None:
    """Return the tokens of an episode in measuring, by turn; None if no method counted any."""
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        known = [
            (method, turns)
            for method in comparison.methods
            if (turns := method.metrics[decoding].tokens) is not None
        ]
        most = _most(sum(turns) for _, turns in known)
        rows = [
            row(
                method_name(method),
                [_cell(tokens(sum(turns)), sum(turns), most), *map(tokens, turns)],
            )
            for method, turns in known
        ]
        if rows:
            groups.append((decoding_title(decoding), rows))
    if not groups:
        return None
    turns = range(1, comparison.attempts + 1)
    heads = ["Method", "An episode", *(f"Attempt {turn}" for turn in turns)]
    return table("Tokens sampled in measuring, mean of an episode", heads, groups)


def _most(values: Iterable[float | None]) -> float:
    return max((value or 0.0 for value in values), default=0.0)


def _cell(written: str, value: float | None, most: float) -> Markup:
    """Return a cell with a bar for the eye."""
    share = (value or 0.0) / most if most else 0.0
    bar = tag("rect", width=f"{100 * share:.1f}%", height=4)
    return tag("td", written, tag("svg", bar, height=4, class_="spent", aria_hidden="true"))
