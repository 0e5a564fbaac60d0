"""The picture of a run: accuracy in training and on held-out problems, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from selfcorrect_agents.pictures.curves import Runs, curves_svg
from selfcorrect_agents.training.progress import GREEDY, SAMPLED, MetricsRow, accuracy_keys


def run_picture(title: str, history: Sequence[MetricsRow]) -> str | None:
    """Return the accuracies of a log as an SVG picture; None if it has none.

    Args:
        title: the title of the picture.
        history: the metrics of each step.
    """
    attempts = max((len(accuracy_keys(row)) for row in history), default=0)
    if not attempts:
        return None
    runs: dict[str, list[MetricsRow]] = {"training": list(history)}
    for prefix, name in ((GREEDY, "held out, greedy"), (SAMPLED, "held out, sampled")):
        rows = [_under(f"{prefix}/", row) for row in history]
        if any(rows):
            runs[name] = rows
    drawn: Runs = {name: {0: rows} for name, rows in runs.items()}
    return curves_svg(title, drawn, attempts)


def _under(prefix: str, row: MetricsRow) -> MetricsRow:
    return {k.removeprefix(prefix): value for k, value in row.items() if k.startswith(prefix)}
