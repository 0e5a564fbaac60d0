"""A comparison from the command line: runs it, writes its files and prints its tables."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from selfcorrect_agents.comparison.engine import Finished, run
from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.report.files import write_tables
from selfcorrect_agents.comparison.report.page import write_page
from selfcorrect_agents.comparison.report.sections.episodes import shown_episodes
from selfcorrect_agents.comparison.report.terminal import for_terminal
from selfcorrect_agents.comparison.results.comparison import COMPARISON_FILE
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_env.cli import UsageError, note, print_json


def compare(config: CompareConfig, folder: Path, *, json: bool = False) -> int:
    """Run what is missing of a comparison and report it; returns the exit status.

    Args:
        config: the comparison.
        folder: of its results.
        json: print what comparison.json holds instead of tables.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
        UsageError: the folder can't be written.
    """
    try:
        finished = run(config, folder)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; the same command resumes from {folder}.", file=sys.stderr)
        raise
    except OSError as error:
        raise UsageError(f"Cannot write to --out {str(folder)!r}: {error}") from error
    if finished.results:
        _report(config, finished, folder, json=json)
    for failure in finished.failures:
        print(f"selfcorrect: {failure}", file=sys.stderr)
    if finished.failures:
        print("selfcorrect: the same command tries the failed runs again.", file=sys.stderr)
    return 1 if finished.failures else 0


def _report(config: CompareConfig, finished: Finished, folder: Path, *, json: bool) -> None:
    """Write the files of the comparison, and print its tables."""
    comparison = comparison_of(config, finished.results)
    write_tables(folder, comparison)
    write_page(folder / "report.html", comparison, list(shown_episodes(finished.results)))
    if json:
        print_json(asdict(comparison))
        return
    Console().print(for_terminal(comparison))
    written = ", ".join(("report.html", COMPARISON_FILE, "table.md", "table.csv"))
    note(f"Written to {folder}: {written}")
