"""A comparison as Markdown: the content of table.md."""

from __future__ import annotations

from collections.abc import Iterator

from selfcorrect_agents.comparison.report.table_rows import (
    TableRows,
    arrival_pair_rows,
    arrival_rows,
    cost_rows,
    joined,
    kl_columns,
    metric_columns,
    metric_rows,
    pair_rows,
    scaling_rows,
    seed_rows,
    setting_rows,
    transition_rows,
)
from selfcorrect_agents.comparison.report.terminal import (
    PAIRS_TITLE,
    arrival_title,
    notes,
    subject,
)
from selfcorrect_agents.comparison.results.comparison import MethodComparison

KL_NOTE = (
    "KL: to the base, in nats, of the replies sampled in training, mean over the last tenth of the "
    "log; not of the held-out problems, so it is the same for every way of decoding."
)


def to_markdown(comparison: MethodComparison) -> str:
    """Return means, seeds, transitions, pairs, cost, scaling and settings as Markdown."""
    lines = [f"# {comparison.title}", "", *subject(comparison).splitlines(), ""]
    for decoding in comparison.decodings:
        lines += _decoding(comparison, decoding)
    lines += ["## Cost", "", "Mean of a seed; tokens per episode were counted in measuring:", ""]
    lines += [*_table(cost_rows(comparison)), ""]
    scaling = scaling_rows(comparison)
    if len(scaling) > 1:
        lines += ["## Scaling at inference", ""]
        lines += ["Parallel first attempts against sequential correction; each attempt counts as"]
        lines += ["one reply, at any cost in tokens, but for the rows at equal tokens: as many"]
        lines += ["first attempts as the sequences have tokens for:", "", *_table(scaling), ""]
    lines += ["## Settings", "", *_table(setting_rows(comparison)), ""]
    said = notes(comparison)
    if any(method.kl for method in comparison.methods):
        said.insert(1, KL_NOTE)
    return "\n".join([*lines, *(f"- {note}" for note in said)]) + "\n"


def _decoding(comparison: MethodComparison, decoding: str) -> Iterator[str]:
    last = comparison.attempts
    means = metric_rows(comparison, decoding, metric_columns(comparison))
    yield from (f"## {decoding}", "", *_table(joined(means, kl_columns(comparison))), "")
    yield from ("Each seed:", "", *_table(seed_rows(comparison, decoding)), "")
    if last > 1:
        yield from (f"Transitions from t1 to t{last}, share of the problems:", "")
        yield from (*_table(transition_rows(comparison, decoding)), "")
    arrivals = arrival_rows(comparison, decoding)
    if len(arrivals) > 1:
        title = arrival_title(comparison)
        yield from (f"{title[0].upper()}{title[1:]}:", "", *_table(arrivals), "")
    earlier = arrival_pair_rows(comparison, decoding)
    if len(earlier) > 1:
        yield from (f"{PAIRS_TITLE[0].upper()}{PAIRS_TITLE[1:]}:", "", *_table(earlier), "")
    pairs = pair_rows(comparison, decoding)
    if len(pairs) > 1:
        yield from (f"acc@t{last}, paired seed by seed and problem by problem:", "")
        yield from (*_table(pairs), "")


def _table(rows: TableRows) -> Iterator[str]:
    head, *body = rows
    for row in (head, ["---", *["---:"] * (len(head) - 1)], *body):
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"
