"""The tables that reports print, by rich."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from selfcorrect_env.evaluation.intervals import Estimate
from selfcorrect_env.evaluation.metrics import Metrics, Paired

if TYPE_CHECKING:
    from rich.console import RenderableType

    from selfcorrect_env.evaluation.report import Measured


def report_table(measured: Measured, metrics: Metrics) -> RenderableType:
    """Return one agent's five figures with intervals, then the diagnostics of each turn."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    figures = Table(
        title=Text(f"{measured.agent} on {problem_set(measured)}"), title_justify="left"
    )
    figures.add_column("figure")
    figures.add_column("%", justify="right")
    figures.add_column("95% interval", justify="right")
    for name, figure, signed in _figures(metrics):
        figures.add_row(Text(name), percent(figure.value, signed), interval(figure, signed))
    figures.add_row("same text at first and last", percent(metrics.unchanged_texts), "")
    figures.add_row("edit-distance ratio, first to last", percent(metrics.edit_distance_ratio), "")

    turns = Table(title="replies", title_justify="left")
    turns.add_column("")
    for turn in range(1, len(metrics.turns) + 1):
        turns.add_column(f"t{turn}", justify="right")
    facts = metrics.turns
    turns.add_row("mean length, characters", *(f"{t.characters:.1f}" for t in facts))
    turns.add_row("mean length, tokens", *(_or_unknown(t.tokens, "{:.1f}") for t in facts))
    turns.add_row("cut off by the token cap", *(_or_unknown(t.truncated, "{:.1%}") for t in facts))
    for reason in sorted({reason for t in facts for reason in t.reasons}):
        turns.add_row(f"verdict: {reason}", *(str(t.reasons.get(reason, 0)) for t in facts))
    return Group(figures, turns, Text(_footnote(measured, metrics)))


def comparison_table(
    measured: Measured, rows: Sequence[tuple[str, Metrics]], pairs: Sequence[Paired]
) -> RenderableType:
    """Return one row for each agent; from the second on, its paired test with the first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"On {problem_set(measured)}"), title_justify="left")
    table.add_column("agent")
    turns = range(1, len(rows[0][1].accuracy) + 1)
    names = [*(f"acc@t{t}" for t in turns), "Δ", "Δ i→c", "Δ c→i", "same answer"]
    for name in [*names, f"acc@t{turns[-1]} - first's", "p"]:
        table.add_column(name, justify="right")
    for (agent, metrics), pair in zip(rows, [None, *pairs], strict=True):
        figures = [*metrics.accuracy, metrics.delta, metrics.delta_i_to_c, metrics.delta_c_to_i]
        cells = [percent(f.value, signed=f is metrics.delta) for f in figures]
        cells.append(percent(metrics.unchanged_answers.value))
        if pair is None:
            cells += ["", ""]
        else:
            gain = pair.difference
            cells += [f"{percent(gain.value, True)} {interval(gain, True)}", f"{pair.p_value:.2g}"]
        table.add_row(Text(agent), *cells)
    return table


def as_text(renderable: RenderableType) -> str:
    """Return what rich shows as plain text, 100 characters wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().split("\n"))


def problem_set(measured: Measured) -> str:
    """Return the problem set's name, split and fingerprint, in words."""
    return f"{measured.problem_set}/{measured.split} (fingerprint {measured.fingerprint})"


def percent(value: float, signed: bool = False) -> str:
    """Return a share as percent with one decimal; an en dash where it is undefined."""
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def interval(figure: Estimate, signed: bool = False) -> str:
    """Return the interval in percent, in brackets."""
    return f"[{percent(figure.low, signed)}, {percent(figure.high, signed)}]"


def _figures(metrics: Metrics) -> Iterable[tuple[str, Estimate, bool]]:
    last = len(metrics.accuracy)
    for turn, figure in enumerate(metrics.accuracy, start=1):
        yield f"accuracy@t{turn}", figure, False
    yield f"Δ(t1, t{last})", metrics.delta, True
    yield "Δ i→c, of all problems", metrics.delta_i_to_c, False
    yield "Δ c→i, of all problems", metrics.delta_c_to_i, False
    yield "fixed, of wrong first attempts", metrics.fixed, False
    yield "broken, of right first attempts", metrics.broken, False
    yield "same answer at first and last", metrics.unchanged_answers, False


def _footnote(measured: Measured, metrics: Metrics) -> str:
    lines = [
        f"{metrics.episodes} of {measured.size} problems, {metrics.unjudged} not judged",
        f"verifier {measured.verifier}, prompts {measured.prompts}",
    ]
    if measured.decoding:
        lines.append(f"decoding: {measured.decoding}")
    return "\n".join(lines)


def _or_unknown(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)
