"""A comparison as tables: for the terminal, for Markdown and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Comparison = Mapping[str, Any]
"""What comparison.json holds."""

COLUMNS = {
    "accuracy_t1": "acc@t1",
    "accuracy_t2": "acc@t2",
    "delta": "Δ",
    "delta_i_to_c": "Δ i→c",
    "delta_c_to_i": "Δ c→i",
    "unchanged_answers": "same answer",
    "edit_distance_ratio": "edit ratio",
}
"""Shares, shown in percent, with what columns call them."""

SHOWN = [name for name in COLUMNS if name != "edit_distance_ratio"]
"""Figures in the terminal's table, which 80 columns hold."""

WITH_INTERVAL = ("accuracy_t1", "accuracy_t2", "delta")
"""Figures whose interval stands in the terminal's table."""

ORACLE_MARK = "†"


# -- the terminal ----------------------------------------------------------------------------------
def for_terminal(comparison: Comparison) -> RenderableType:
    """Return the tables of every decoding, the pairs, and the notes."""
    parts: list[RenderableType] = [
        Text(comparison["title"], style="bold"),
        Text(ground(comparison)),
    ]
    for decoding in comparison["decodings"]:
        parts += [_figures(comparison, decoding), _pairs(comparison, decoding)]
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


def _figures(comparison: Comparison, decoding: str) -> Table:
    table = Table(title=Text(f"\n{decoding}"), title_justify="left", padding=(0, 0))
    table.add_column("method", no_wrap=True)
    for name in SHOWN:
        table.add_column(COLUMNS[name], justify="right")
    for name in ("episodes", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for method in comparison["methods"]:
        figures = method["figures"][decoding]
        cells = [
            _with_interval(figures[name], name == "delta")
            if name in WITH_INTERVAL
            else percent(figures[name]["value"])
            for name in SHOWN
        ]
        spent = method["spent"]
        table.add_row(
            Text(_name(method)), *cells, count(spent["episodes"]), duration(spent["seconds"])
        )
    return table


def _pairs(comparison: Comparison, decoding: str) -> RenderableType:
    rows = [pair for pair in comparison["pairs"] if pair["decoding"] == decoding]
    if not rows:
        return Text("")
    table = Table(title=Text("acc@t2, paired"), title_justify="left", padding=(0, 0))
    for name in ("method", "against", "difference", "only first", "only second", "p"):
        table.add_column(name, justify="left" if name in ("method", "against") else "right")
    for pair in rows:
        table.add_row(
            Text(pair["second"]),
            Text(pair["first"]),
            _with_interval(pair["difference"], True),
            str(pair["only_first"]),
            str(pair["only_second"]),
            p_value(pair["p_value"]),
        )
    return table


# -- Markdown --------------------------------------------------------------------------------------
def to_markdown(comparison: Comparison) -> str:
    """Return the content of table.md: the means, every seed, and the pairs."""
    lines = [f"# {comparison['title']}", "", *ground(comparison).splitlines(), ""]
    for decoding in comparison["decodings"]:
        lines += [f"## {decoding}", "", *_markdown(_mean_rows(comparison, decoding)), ""]
        lines += ["Each seed:", "", *_markdown(_seed_rows(comparison, decoding)), ""]
        pairs = _pair_rows(comparison, decoding)
        if len(pairs) > 1:
            lines += ["acc@t2, paired seed by seed and problem by problem:", ""]
            lines += [*_markdown(pairs), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(comparison))]) + "\n"


def _markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *body = rows
    for row in (head, ["---", *["---:"] * (len(head) - 1)], *body):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _mean_rows(comparison: Comparison, decoding: str) -> list[list[str]]:
    names = ["method", *COLUMNS.values(), "KL t1", "KL t2", "episodes", "tokens", "time"]
    rows = [names]
    for method in comparison["methods"]:
        figures, spent = method["figures"][decoding], method["spent"]
        rows.append(
            [
                _name(method),
                *(_with_interval(figures[name], name == "delta") for name in COLUMNS),
                *(_nats(figures[f"kl_t{turn}"]) for turn in (1, 2)),
                *(count(spent[name]) for name in ("episodes", "tokens")),
                duration(spent["seconds"]),
            ]
        )
    return rows


def _seed_rows(comparison: Comparison, decoding: str) -> list[list[str]]:
    rows = [["method", "seed", *COLUMNS.values()]]
    for method in comparison["methods"]:
        figures = method["figures"][decoding]
        for i, seed in enumerate(comparison["seeds"]):
            cells = [percent(figures[name]["seeds"][i], name == "delta") for name in COLUMNS]
            rows.append([_name(method), str(seed), *cells])
    return rows


def _pair_rows(comparison: Comparison, decoding: str) -> list[list[str]]:
    rows = [["method", "against", "difference", "only first right", "only second right", "p"]]
    for pair in comparison["pairs"]:
        if pair["decoding"] == decoding:
            counts = [str(pair[name]) for name in ("only_first", "only_second")]
            difference = _with_interval(pair["difference"], True)
            rows.append(
                [pair["second"], pair["first"], difference, *counts, p_value(pair["p_value"])]
            )
    return rows


# -- CSV -------------------------------------------------------------------------------------------
def to_csv(comparison: Comparison) -> str:
    """Return the content of table.csv: one row for each method × decoding × figure × seed.

    Columns: method, decoding, figure, seed ("mean" for the mean over seeds), value, low, high.
    Shares lie in [0, 1], KL is in nats; what is undefined is empty.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["method", "decoding", "figure", "seed", "value", "low", "high"])
    for method in comparison["methods"]:
        for decoding, figures in method["figures"].items():
            for name, figure in figures.items():
                if figure is None:
                    continue
                start = [method["name"], decoding, name]
                rows.writerow([*start, "mean", *(figure[k] for k in ("value", "low", "high"))])
                for seed, value in zip(comparison["seeds"], figure["seeds"], strict=True):
                    rows.writerow([*start, seed, value, None, None])
    return out.getvalue()


# -- cells -----------------------------------------------------------------------------------------
def percent(share: float | None, signed: bool = False) -> str:
    """Return a share in percent with one decimal; an en dash where it is undefined."""
    if share is None:
        return "–"
    return f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"


def count(number: float | None) -> str:
    """Return a whole number; an en dash where it is unknown."""
    return "–" if number is None else f"{number:,.0f}"


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds: "1:02:03", "4:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def p_value(p: float | None) -> str:
    """Return a p-value with two digits, "<0.0001" below that."""
    if p is None:
        return "–"
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def _with_interval(figure: Mapping[str, Any], signed: bool) -> str:
    value, low, high = (percent(figure[key], signed) for key in ("value", "low", "high"))
    return value if figure["low"] is None else f"{value} [{low}, {high}]"


def _nats(figure: Mapping[str, Any] | None) -> str:
    return "–" if figure is None else f"{figure['value']:.3f}"


def _name(method: Mapping[str, Any]) -> str:
    return f"{method['name']} {ORACLE_MARK}" if method["oracle"] else method["name"]
