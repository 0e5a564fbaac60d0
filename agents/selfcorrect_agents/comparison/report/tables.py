"""A comparison as tables: for the terminal, for Markdown and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfcorrect_agents.comparison.report.rows import (
    COLUMNS,
    CURVES,
    ORACLE_MARK,
    Comparison,
    Rows,
    beside,
    cost_rows,
    figure_rows,
    kl_columns,
    pair_rows,
    scaling_rows,
    seed_rows,
    transition_rows,
)
from selfcorrect_agents.comparison.results.formats import clock, count

MAIN = ("accuracy_t1", "accuracy_t2", "delta")
"""Figures of the terminal's first table, which 120 columns hold."""

CHANGES = ("delta_i_to_c", "delta_c_to_i", "unchanged_answers", "edit_distance_ratio")
"""Figures of its second one: what the second attempt changed."""


# -- the terminal ----------------------------------------------------------------------------------
def for_terminal(comparison: Comparison) -> RenderableType:
    """Return the tables of every decoding, the pairs, and the notes."""
    parts: list[RenderableType] = [
        Text(comparison["title"], style="bold"),
        Text(ground(comparison)),
    ]
    for decoding in comparison["decodings"]:
        main = beside(figure_rows(comparison, decoding, MAIN), _spent(comparison))
        parts.append(_table(f"\n{decoding}", main))
        changes = figure_rows(comparison, decoding, CHANGES)
        parts.append(_table(f"{decoding}: what the second attempt changed", changes))
        pairs = pair_rows(comparison, decoding)
        if len(pairs) > 1:
            parts.append(_table(f"{decoding}: acc@t2, paired", pairs, names=2))
    parts += [Text(note) for note in notes(comparison)]
    return Group(*parts)


def ground(comparison: Comparison) -> str:
    """Say in two lines what was compared on what."""
    on, seeds = comparison["measured"], ", ".join(map(str, comparison["seeds"]))
    budget = comparison["budget"]["episodes"]
    trained = "as each method is configured" if budget is None else f"{budget:,} episodes each"
    return (
        f"{on['problems']:,} of {on['size']:,} problems of {on['problem_set']}/{on['split']} "
        f"(fingerprint {on['fingerprint']}), verifier {on['verifier']}\n"
        f"Base {comparison['model']}; seeds {seeds}; training: {trained}."
    )


def notes(comparison: Comparison) -> list[str]:
    """Return what a reader of the tables must know."""
    several = len(comparison["seeds"]) > 1
    over = "seeds and problems" if several else "problems; one seed says nothing of other runs"
    lines = [f"In percent; means over seeds with 95% intervals over {over}."]
    if any(method["oracle"] for method in comparison["methods"]):
        lines.append(f"{ORACLE_MARK} sees what no model may see: a bound, not a method.")
    return [*lines, *comparison["notes"]]


def _spent(comparison: Comparison) -> Rows:
    spent = [method["spent"] for method in comparison["methods"]]
    cells = [[count(each["episodes"]), clock(each["seconds"])] for each in spent]
    return [["episodes", "time"], *cells]


def _table(title: str, rows: Rows, names: int = 1) -> Table:
    """Return a table; its first ``names`` columns are text, and the very first is never broken."""
    table = Table(title=Text(title), title_justify="left", padding=(0, 0))
    for place, head in enumerate(rows[0]):
        table.add_column(head, justify="left" if place < names else "right", no_wrap=place == 0)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


# -- Markdown --------------------------------------------------------------------------------------
def to_markdown(comparison: Comparison) -> str:
    """Return the content of table.md: means, seeds, transitions, pairs, cost and scaling."""
    lines = [f"# {comparison['title']}", "", *ground(comparison).splitlines(), ""]
    for decoding in comparison["decodings"]:
        means = figure_rows(comparison, decoding, list(COLUMNS))
        means = beside(means, kl_columns(comparison, decoding))
        lines += [f"## {decoding}", "", *_markdown(means), ""]
        lines += ["Each seed:", "", *_markdown(seed_rows(comparison, decoding)), ""]
        lines += ["Transitions, share of the problems:", ""]
        lines += [*_markdown(transition_rows(comparison, decoding)), ""]
        pairs = pair_rows(comparison, decoding)
        if len(pairs) > 1:
            lines += ["acc@t2, paired seed by seed and problem by problem:", ""]
            lines += [*_markdown(pairs), ""]
    lines += ["## Cost", "", "Mean of a seed; tokens per episode were counted in measuring:", ""]
    lines += [*_markdown(cost_rows(comparison)), ""]
    scaling = scaling_rows(comparison)
    if len(scaling) > 1:
        lines += ["## Scaling at inference", ""]
        lines += ["Parallel first attempts against sequential correction; a correction counts as"]
        lines += ["one reply, whatever it costs:", "", *_markdown(scaling), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(comparison))]) + "\n"


def _markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *body = rows
    for row in (head, ["---", *["---:"] * (len(head) - 1)], *body):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


# -- CSV -------------------------------------------------------------------------------------------
def to_csv(comparison: Comparison) -> str:
    """Return the content of table.csv: one row for each method × decoding × figure × seed.

    Columns: method, decoding, figure, seed ("mean" for the mean over seeds), value, low, high.
    Shares lie in [0, 1], KL is in nats; what is undefined is empty. The figures are those of
    comparison.json, and:

    - ``transition c->c`` …: shares;
    - ``accuracy_t2 minus BASE`` and ``p of accuracy_t2 minus BASE``: pairs with BASE;
    - ``parallel, 8 replies`` …: scaling, without a decoding;
    - ``spent episodes`` …: cost, without a decoding, and ``tokens per episode``, ``tokens at
      attempt 1`` … in measuring.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["method", "decoding", "figure", "seed", "value", "low", "high"])
    for method in comparison["methods"]:
        for start, figure in _figures(method):
            rows.writerow([*start, "mean", *(figure[k] for k in ("value", "low", "high"))])
            for seed, value in zip(comparison["seeds"], figure["seeds"], strict=True):
                rows.writerow([*start, seed, value, None, None])
        for decoding, figure, value in _means(method):
            rows.writerow([method["name"], decoding, figure, "mean", value, None, None])
    for pair in comparison["pairs"]:
        start, name = [pair["second"], pair["decoding"]], f"accuracy_t2 minus {pair['first']}"
        difference = [pair["difference"][k] for k in ("value", "low", "high")]
        rows.writerow([*start, name, "mean", *difference])
        rows.writerow([*start, f"p of {name}", "mean", pair["p_value"], None, None])
    return out.getvalue()


def _figures(method: Mapping[str, Any]) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """Yield (method, decoding, name) and the figure of that, each with its seeds."""
    for decoding, figures in method["figures"].items():
        for name, figure in figures.items():
            if figure is not None:
                yield [method["name"], decoding, name], figure
    scaling = method["scaling"]
    for name in CURVES if scaling else ():
        for number, figure in zip(scaling["samples"], scaling[name], strict=True):
            yield [method["name"], "", f"{name}, {number} replies"], figure


def _means(method: Mapping[str, Any]) -> Iterator[tuple[str, str, float | None]]:
    """Yield (decoding, name, value) of what is kept as a mean over seeds only."""
    for decoding, shares in method["transitions"].items():
        for name, share in shares.items():
            yield decoding, f"transition {name}", share
    for name, value in method["spent"].items():
        yield "", f"spent {name}", value
    for decoding, found in method["tokens"].items():
        if found is not None:
            yield decoding, "tokens per episode", found["episode"]
            for turn, value in enumerate(found["turns"], start=1):
                yield decoding, f"tokens at attempt {turn}", value
