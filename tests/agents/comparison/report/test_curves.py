"""Learning curves as a table and as a picture."""

from pathlib import Path

from rich.console import Console

from selfcorrect_agents.comparison.report.curves import curve_table, write_svg


def test_curves_cope_with_skipped_steps_and_runs_of_any_length(tmp_path: Path) -> None:
    taken = {"t1/accuracy": 0.25, "t2/accuracy": 0.75, "unchanged": 0.5}
    skipped = {"train/skipped": 1.0}
    runs = {
        "A, seed 0": [taken] * 10,
        "A <b>, seed 1": [skipped] * 3,
        **{f"method {i}, seed 0": [taken] for i in range(8)},
    }
    console = Console(width=120)
    with console.capture() as capture:
        console.print(curve_table(runs))
    assert "25/75 50" in capture.get()
    write_svg(tmp_path / "curves.svg", runs)
    written = (tmp_path / "curves.svg").read_text()
    assert written.startswith("<svg")
    assert "<b>" not in written
