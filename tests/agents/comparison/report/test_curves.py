"""Learning curves as a table."""

import pytest
from rich.console import Console

from selfcorrect_agents.comparison.report.curves import curve_table

TAKEN = {"t1/accuracy": 0.25, "t2/accuracy": 0.75, "unchanged": 0.5}


def printed(table: object, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_curves_cope_with_skipped_steps_and_runs_of_any_length() -> None:
    runs = {
        "A": {0: [TAKEN] * 10},
        "A <b>": {1: [{"train/skipped": 1.0}] * 3},
        **{f"method {i}": {0: [TAKEN]} for i in range(8)},
    }
    assert "25/75 50" in printed(curve_table(runs, 2), 120)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_never_cuts_a_number(width: int) -> None:
    full = {"t1/accuracy": 1.0, "t2/accuracy": 1.0, "unchanged": 1.0}
    shown = printed(curve_table({"multi-turn RL": {0: [full] * 1280}}, 2), width)
    assert "…" not in shown
    assert shown.count("100/100 100") == 6
