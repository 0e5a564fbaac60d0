"""What each method spent on training."""

from __future__ import annotations

from collections.abc import Callable

from selfcorrect_agents.comparison.sections.data import Comparison
from selfcorrect_agents.comparison.sections.formats import count, duration
from selfcorrect_agents.comparison.sections.tables import method_name, row, table
from selfcorrect_agents.markup import Markup, tag

COLUMNS: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "episodes": ("Training episodes", count),
    "tokens": ("Sampled tokens", count),
    "seconds": ("Wall-clock", duration),
}


def cost_table(comparison: Comparison) -> Markup:
    """Return episodes, tokens and time of training, with bars for the eye."""
    most = {
        name: max((m.spent.get(name) or 0.0 for m in comparison.methods), default=0.0)
        for name in COLUMNS
    }
    rows = []
    for method in comparison.methods:
        cells = []
        for name, (_, write) in COLUMNS.items():
            spent = method.spent.get(name)
            cells.append(_cell(write(spent), (spent or 0.0) / most[name] if most[name] else 0.0))
        rows.append(row(method_name(method), cells))
    heads = ["Method", *(title for title, _ in COLUMNS.values())]
    return table("Spent on training, mean over seeds", heads, [(None, rows)])


def _cell(written: str, share: float) -> Markup:
    bar = tag("rect", width=f"{100 * share:.1f}%", height=4)
    return tag("td", written, tag("svg", bar, height=4, class_="spent", aria_hidden="true"))
