"""A comparison for the terminal: metrics, what the last attempt changed, paired tests, notes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from selfcorrect_agents.comparison.report.fitted_table import FittedTable
from selfcorrect_agents.comparison.report.table_rows import (
    ORACLE_MARK,
    arrival_pair_rows,
    arrival_rows,
    change_columns,
    delta_columns,
    joined,
    metric_rows,
    pair_rows,
    spent_columns,
    turn_columns,
)
from selfcorrect_agents.comparison.results.comparison import MethodComparison
from selfcorrect_agents.comparison.results.statistics import OVER_SEEDS

PAIRS_TITLE = "which arrives earlier, seed by seed; p is not corrected for the number of pairs"
"""Of the table of pairs of arrivals."""


def for_terminal(comparison: MethodComparison) -> RenderableType:
    """Return the tables of every decoding, the pairs, and the notes."""
    parts: list[RenderableType] = [
        Text(comparison.title, style="bold"),
        Text(subject(comparison)),
    ]
    last = comparison.attempts
    for decoding in comparison.decodings:
        columns = turn_columns(comparison) | delta_columns(comparison)
        main = joined(metric_rows(comparison, decoding, columns), spent_columns(comparison))
        parts.append(FittedTable(title=f"\n{decoding}", rows=main))
        if columns := change_columns(comparison):
            parts.append(
                FittedTable(
                    title=f"\n{decoding}: changes from t1 to t{last}",
                    rows=metric_rows(comparison, decoding, columns),
                )
            )
        arrivals = arrival_rows(comparison, decoding)
        if len(arrivals) > 1:
            title = f"\n{decoding}: {arrival_title(comparison)}"
            parts.append(FittedTable(title=title, rows=arrivals))
        earlier = arrival_pair_rows(comparison, decoding)
        if len(earlier) > 1:
            title = f"\n{decoding}: {PAIRS_TITLE}"
            parts.append(FittedTable(title=title, rows=earlier, names=2))
        pairs = pair_rows(comparison, decoding)
        if len(pairs) > 1:
            title = f"\n{decoding}: acc@t{last}, paired"
            parts.append(FittedTable(title=title, rows=pairs, names=2))
    parts += [Text(note) for note in notes(comparison)]
    return Group(*parts)


def subject(comparison: MethodComparison) -> str:
    """Return lines: which problems were measured on, how methods were trained, and from what."""
    on, seeds = comparison.measured, ", ".join(map(str, comparison.seeds))
    budget = comparison.episodes
    trained = (
        "as each method is configured (see the costs)"
        if budget is None
        else f"{budget:,} episodes each"
    )
    lines = (
        f"{on.problems:,} of {on.size:,} problems of {on.problem_set}/{on.split} "
        f"(fingerprint {on.fingerprint}), verifier {on.verifier}\n"
        f"Base {comparison.base_model}; seeds {seeds}; training: {trained}."
    )
    return "\n".join([lines, *identified(comparison)])


def identified(comparison: MethodComparison) -> list[str]:
    """Return a line with what identifies the weights of the base models, and the processors; no
    line where neither is known."""
    weights = f"Weights of the base models: {comparison.weights}." if comparison.weights else ""
    names = ", ".join(comparison.instructions)
    processor = f"Vector instructions: {names}." if names else ""
    return [line] if (line := f"{weights} {processor}".strip()) else []


def arrival_title(comparison: MethodComparison) -> str:
    """Return what an arrival is."""
    level = 100 * (comparison.arrival or 0)
    counted = ", unjudged attempts counted as wrong" if comparison.unjudged else ""
    return f"seeds that arrive at acc@t{comparison.attempts} ≥ {level:g}%{counted}"


def notes(comparison: MethodComparison) -> list[str]:
    """Return what a reader of the tables must know."""
    over = "seeds and problems"
    if len(comparison.seeds) == 1:
        over = "problems; one seed says nothing of other runs"
    elif comparison.intervals == OVER_SEEDS:
        over = "seeds alone"
    lines = [f"In percent; means over seeds with 95% intervals over {over}."]
    if comparison.arrival is not None:
        lines.append(
            "Arrivals: intervals are Clopper–Pearson's; episodes are those of training, until the "
            "mean of the last 4% of the log, or the accuracy after a fit, first reaches the level. "
            "A seed that does not arrive comes last."
        )
    if comparison.partial_credit:
        lines.append(
            "The verifier gives partial credit: score@t is the mean score of attempt t; an answer "
            "counts as right in acc@t only if its score is 1."
        )
    if any(method.oracle for method in comparison.methods):
        lines.append(f"{ORACLE_MARK} sees what no model may see: a bound, not a method.")
    return [*lines, *comparison.notes]
