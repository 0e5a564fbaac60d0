"""``selfcorrect rescore RUN``: re-score stored episodes with another verifier."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from selfcorrect_env.cli.options import parse
from selfcorrect_env.cli.outputs import note, output_folder, print_json
from selfcorrect_env.errors import CheckpointError, UsageError
from selfcorrect_env.evaluation.episode_files import write_episodes
from selfcorrect_env.evaluation.report import EPISODES_FILE, REPORT_FILE, Measured, Report
from selfcorrect_env.evaluation.rescoring import rescore, stored_episodes
from selfcorrect_env.terminal import status_line

ABOUT = """\
Re-score the episodes of a run with another verifier (or with the same one, to check that its
verdicts are unchanged), and list every reply whose verdict differs. The run itself is not changed.

Exit status: 0 every verdict is unchanged; 1 some differ; 2 invalid arguments.

Examples:
  selfcorrect rescore runs/base --verifier exact
  selfcorrect rescore runs/base/episodes.jsonl --verifier my_module:my_function --out runs/again"""


@dataclass(frozen=True, kw_only=True)
class RescoreOptions:
    """Which run, by which verifier."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A folder with an episodes.jsonl (from eval or train), or such a file."""
    verifier: str
    """The verifier: a name from 'selfcorrect list', or module:attribute."""
    out: str | None = None
    """A new folder for the episodes with their new verdicts, and differences.json."""
    json: bool = False
    """Print what differences.json would hold instead of a table."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(RescoreOptions, argv, prog="selfcorrect rescore", about=ABOUT)
    out = None if options.out is None else output_folder(options.out)
    if out is not None and out.exists() and any(out.iterdir()):
        raise UsageError(f"--out: {options.out!r} exists already. Name a new folder.")
    episodes = stored_episodes(options.run)
    measured = None if out is None else _measured(Path(options.run))
    with status_line(f"re-scoring {len(episodes):,} episodes"):
        rescored = rescore(episodes, options.verifier)
    if options.json:
        print_json(rescored.to_dict())
    else:
        Console().print(rescored)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if measured is None:
            write_episodes(out / EPISODES_FILE, rescored.episodes)
        else:
            Report.of(rescored.episodes, replace(measured, verifier=rescored.verifier)).save(out)
        rescored.to_json(out / "differences.json")
        if not options.json:
            note(f"Re-scored episodes and all differences: {out}")
    return 1 if rescored.differences else 0


def _measured(run: Path) -> Measured | None:
    """Return the metadata of the run's report, if the run is an evaluation.

    Raises:
        CheckpointError: the report is broken.
    """
    path = run / REPORT_FILE
    if not path.is_file():
        return None
    try:
        return Measured(**json.loads(path.read_bytes())["measured"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: not a readable report ({type(error).__name__}: {error}). Without --out, or "
            f"with the run's {EPISODES_FILE} instead of its folder, the report is not read."
        ) from error
