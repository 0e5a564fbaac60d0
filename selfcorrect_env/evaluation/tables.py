"""The tables of reports, made with rich. A number is never cut: a narrow terminal gets a narrow
layout."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from selfcorrect_env.evaluation.intervals import Estimate
from selfcorrect_env.evaluation.metrics import Completed, Metrics
from selfcorrect_env.evaluation.paired import Paired

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from selfcorrect_env.evaluation.report import Measured
    from selfcorrect_env.evaluation.sampled import Samples

WIDTH = 80
"""Columns of a table as plain text."""


class FirstThatFits:
    """Shows the first of several layouts whose numbers fit into the terminal, else the last."""

    def __init__(self, *layouts: Sequence[RenderableType]) -> None:
        self.layouts = layouts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.measure import Measurement

        unbounded = options.update_width(10_000)  # a measurement is cut to the width that is given

        def fits(layout: Sequence[RenderableType]) -> bool:
            widths = [Measurement.get(console, unbounded, part).minimum for part in layout]
            return max(widths) <= options.max_width

        yield from next(filter(fits, self.layouts), self.layouts[-1])


def report_table(
    measured: Measured, metrics: Metrics, samples: Samples | None, notes: Sequence[str]
) -> RenderableType:
    """Return one agent's metrics with intervals, then the diagnostics of each turn."""
    from rich.console import Group
    from rich.text import Text

    rows = [
        (name, percent(metric.value, signed), interval(metric, signed))
        for name, metric, signed in _metrics(metrics)
    ]
    if len(metrics.turns) > 1:
        last = f"t1 and t{len(metrics.turns)}"
        rows.append((f"same text at {last}", percent(metrics.unchanged_texts), ""))
        rows.append((f"edit-distance ratio of {last}", percent(metrics.edit_distance_ratio), ""))
    return Group(
        Text(f"{measured.agent} on {measured.problem_set}/{measured.split}", style="bold"),
        Text(f"fingerprint {measured.fingerprint}"),
        table(("metric", "%", "95% interval"), rows),
        *([] if samples is None else [_samples(samples)]),
        _replies(metrics),
        Text("\n".join([*_footnote(measured, metrics), *notes])),
    )


def comparison_table(
    measured: Measured, rows: Sequence[tuple[str, Metrics]], pairs: Sequence[Paired]
) -> RenderableType:
    """Return a row for each agent; from the second on, its paired test with the first.

    In a narrow terminal the tests are a table of their own, then each agent is.
    """
    from rich.console import Group
    from rich.text import Text

    turns = len(rows[0][1].accuracy)
    partial = any(metrics.partial for _, metrics in rows)
    unjudged = any(metrics.unjudged for _, metrics in rows)
    names = [name for name, _, _ in _columns(rows[0][1], partial, unjudged)]
    cells = [
        [percent(found.value, signed) for _, found, signed in _columns(metrics, partial, unjudged)]
        for _, metrics in rows
    ]
    tests = [[_with_interval(p.difference), f"{p.p_value:.2g}"] for p in pairs]
    headings = [f"acc@t{turns} − first's", "p"]
    if unjudged:
        headings += ["− first's, unjudged wrong", "p of it"]
        for test, pair in zip(tests, pairs, strict=True):
            test += [_with_interval(pair.unjudged_wrong), f"{pair.p_unjudged_wrong:.2g}"]
    tests = [[""] * len(headings), *tests]
    agents = [agent for agent, _ in rows]
    joined = [[agent, *a, *b] for agent, a, b in zip(agents, cells, tests, strict=True)]
    wide = table(["agent", *names, *headings], joined)
    apart = [
        table(["agent", *names], [[agent, *a] for agent, a in zip(agents, cells, strict=True)]),
        table(
            ["agent", *headings],
            [[agent, *b] for agent, b in zip(agents[1:], tests[1:], strict=True)],
        ),
    ]
    single = [
        table(
            [agent, ""],
            [pair for pair in zip([*names, *headings], [*a, *b], strict=True) if pair[1]],
        )
        for agent, a, b in zip(agents, cells, tests, strict=True)
    ]
    return Group(
        Text(f"On {measured.problem_set}/{measured.split}, in percent", style="bold"),
        Text(f"fingerprint {measured.fingerprint}"),
        FirstThatFits([wide], apart, single),
        Text("i→c: wrong at first, right at last; c→i: right at first, wrong at last"),
        *(
            Text(f"Warning: {agent}: {metrics.why_unjudged()}")
            for agent, metrics in rows
            if metrics.unjudged
        ),
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table whose first column may wrap; every other one is as wide as it must be."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    made = Table()
    made.add_column(Text(headings[0]), overflow="fold")
    for i, heading in enumerate(headings[1:], start=1):
        width = max(cell_len(text) for text in [heading, *(row[i] for row in rows)])
        made.add_column(Text(heading), justify="right", no_wrap=True, min_width=width)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def as_text(renderable: RenderableType, width: int = WIDTH) -> str:
    """Return what rich shows as plain text, ``width`` characters wide."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=width,
        color_system=None,
        legacy_windows=False,
        force_jupyter=False,  # else it displays in the notebook, which asks for the text again
    )
    with console.capture() as captured:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().split("\n"))


def percent(value: float, signed: bool = False) -> str:
    """Return a share as percent with one decimal; an en dash if it is undefined."""
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def interval(metric: Estimate, signed: bool = False) -> str:
    """Return the interval in percent, in brackets."""
    return f"[{percent(metric.low, signed)}, {percent(metric.high, signed)}]"


def change_label(first: int, last: int) -> str:
    """Return the name of the change in accuracy between two turns.

    >>> change_label(1, 2)
    'Δ(t1, t2)'
    """
    return f"Δ(t{first}, t{last})"


def _with_interval(metric: Estimate) -> str:
    return f"{percent(metric.value, True)} {interval(metric, True)}"


def _metrics(metrics: Metrics) -> Iterable[tuple[str, Estimate, bool]]:
    """Yield the name of each metric of a report, its estimate and whether it has a sign."""
    last = len(metrics.accuracy)
    for turn, metric in enumerate(metrics.accuracy, start=1):
        yield f"accuracy@t{turn}", metric, False
    for how, completed in _completions(metrics):
        for turn, metric in enumerate(completed.accuracy, start=1):
            yield f"accuracy@t{turn}, unjudged {how}", metric, False
    if metrics.partial:
        for turn, metric in enumerate(metrics.score, start=1):
            yield f"mean score@t{turn}", metric, False
    if last == 1:
        return
    if last > 2:
        for turn, metric in enumerate(metrics.successive, start=1):
            yield change_label(turn, turn + 1), metric, True
    yield change_label(1, last), metrics.delta, True
    for how, completed in _completions(metrics):
        yield f"{change_label(1, last)}, unjudged {how}", completed.delta, True
    yield "wrong → right (i→c), of all problems", metrics.delta_i_to_c, False
    yield "right → wrong (c→i), of all problems", metrics.delta_c_to_i, False
    yield "fixed, of wrong first attempts", metrics.fixed, False
    yield "broken, of right first attempts", metrics.broken, False
    yield f"same answer at t1 and t{last}", metrics.unchanged_answers, False


def _completions(metrics: Metrics) -> Iterable[tuple[str, Completed]]:
    """Yield both ways to count unjudged attempts, each with its name; nothing if all are judged."""
    if metrics.unjudged:
        yield "wrong", metrics.unjudged_wrong
        yield "right", metrics.unjudged_right


def _columns(
    metrics: Metrics, partial: bool, unjudged: bool
) -> Iterable[tuple[str, Estimate, bool]]:
    """Yield what a row of a comparison shows: heading, estimate, whether it has a sign."""
    last = len(metrics.accuracy)
    for turn, metric in enumerate(metrics.accuracy, start=1):
        yield f"acc@t{turn}", metric, False
    if unjudged:
        for turn, metric in enumerate(metrics.unjudged_wrong.accuracy, start=1):
            yield f"acc@t{turn}, unjudged wrong", metric, False
    if partial:
        for turn, metric in enumerate(metrics.score, start=1):
            yield f"score@t{turn}", metric, False
    if last > 1:
        yield change_label(1, last), metrics.delta, True
        yield "i→c", metrics.delta_i_to_c, False
        yield "c→i", metrics.delta_c_to_i, False
        yield "same answer", metrics.unchanged_answers, False


def _samples(samples: Samples) -> Table:
    """Return the metrics of k samples of a problem, a column for each turn."""
    rows = [
        [f"{name}@{samples.k}", *(f"{percent(e.value)} {interval(e)}" for e in estimates)]
        for name, estimates in (
            ("avg", samples.average),
            ("pass", samples.pass_at_k),
            ("maj", samples.maj_at_k),
        )
    ]
    turns = [f"t{turn}" for turn in range(1, len(samples.average) + 1)]
    return table([f"{samples.k} samples of {samples.problems} problems", *turns], rows)


def _replies(metrics: Metrics) -> Table:
    turns = metrics.turns
    rows = [
        ["mean length, characters", *(_or_unknown(_known(t.characters), "{:.1f}") for t in turns)],
        ["mean length, tokens", *(_or_unknown(t.tokens, "{:.1f}") for t in turns)],
        ["cut off by the token cap", *(_or_unknown(t.truncated, "{:.1%}") for t in turns)],
    ]
    for reason in sorted({reason for t in turns for reason in t.reasons}):
        rows.append([f"verdict: {reason}", *(str(t.reasons.get(reason, 0)) for t in turns)])
    return table(["replies", *(f"t{turn}" for turn in range(1, len(turns) + 1))], rows)


def _footnote(measured: Measured, metrics: Metrics) -> list[str]:
    lines = [
        f"{_played(measured, metrics)}, {metrics.unjudged} not judged",
        f"verifier {measured.verifier}, prompts {measured.prompts}",
    ]
    return [*lines, f"decoding: {measured.decoding}"] if measured.decoding else lines


def _played(measured: Measured, metrics: Metrics) -> str:
    if measured.samples == 1:
        return f"{metrics.episodes} of {measured.size} problems"
    problems = metrics.episodes // measured.samples
    return f"{measured.samples} samples of {problems} of {measured.size} problems"


def _or_unknown(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
