"""``selfcorrect compare``: methods side by side, on equal ground, over several seeds."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import transformers
import tyro
from rich.console import Console

from selfcorrect_agents.comparison.engine import Finished, run
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of, read_config
from selfcorrect_agents.comparison.report.files import write_report, write_tables
from selfcorrect_agents.comparison.report.tables import for_terminal
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_env.cli import UsageError, output_folder, parse

ABOUT = """\
Run methods side by side: from the same base model, on the same problems, with the same number of
training episodes, once for each seed. Prints the figures with 95% intervals and paired tests, and
writes comparison.json, table.md, table.csv and report.html (one page, works offline) to --out.

A method is a name from 'selfcorrect list', or module:attribute: a class that learns, an agent
that only plays, or a function from a conversation to a reply. A compare.toml can also give one
method several times with other settings, and everything else; see docs/compare.md. Options that
are given beside a file take the place of the file's.

Every method x seed is a process of its own. Ctrl-C leaves everything so that the same command
goes on; methods and seeds that are added later are all that is run then.

Exit status: 0 done; 1 a method x seed failed (the others are finished, and the same command
tries it again); 2 a mistake in what was asked; 130 Ctrl-C.

Examples:
  selfcorrect compare --methods base score multiturn_rl --episodes 20480 --out runs/compare
  selfcorrect compare --methods base my_module:MyMethod --seeds 0 --problems 200 --out runs/mine
  selfcorrect compare compare.toml --out runs/compare
  selfcorrect compare compare.toml --out runs/compare --seeds 0 1 2 3 4 --jobs 4"""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What to compare, on what, and where to put it."""

    config: Annotated[str | None, tyro.conf.Positional] = None
    """A compare.toml; without one, the options below say it all."""
    out: str = "runs/compare"
    """The folder for everything; the same command goes on from what it holds."""
    methods: tuple[str, ...] | None = None
    """Names of 'selfcorrect list', or module:attribute."""
    seeds: tuple[int, ...] | None = None
    """Each trains every method once. [0 1 2]"""
    episodes: int | None = None
    """Training episodes of every method. [each method's own default]"""
    model: str | None = None
    """The base: a folder, a Hugging Face id, a .gguf file, or "tiny"; {seed} becomes the seed.
    ["tiny:seed={seed}"]"""
    device: str | None = None
    """Where models run: "cpu", "cuda" … ["cpu"]"""
    env: str | None = None
    """The environment's id; its split "train" is trained on, "test" measured.
    [SelfCorrect-Arithmetic-v0]"""
    problems: int | None = None
    """Held-out problems to measure on. [2000]"""
    max_new_tokens: int | None = None
    """Token cap of one reply. [16]"""
    decodings: tuple[str, ...] | None = None
    """How to measure: sampled (T = 1), greedy (T = 0). [both]"""
    reference: str | None = None
    """The method that the others are paired with, beside the base. [score]"""
    scaling: bool | None = None
    """Also draw 32 samples of each of 200 problems: majority vote and pass@k against the number
    of replies. A file's [scaling] can say more. [no]"""
    jobs: int | None = None
    """Processes at a time, each with one thread. [2]"""
    title: str | None = None
    """Stands over the tables and the page."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    transformers.utils.logging.disable_progress_bar()  # the bars of this command say enough
    options = parse(CompareOptions, argv, prog="selfcorrect compare", about=ABOUT)
    config, folder = configured(options), output_folder(options.out)
    try:
        finished = run(config, folder)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; the same command goes on from {folder}.", file=sys.stderr)
        raise
    except OSError as error:
        raise UsageError(f"Cannot write to --out {options.out!r}: {error}") from error
    if finished.results:
        _tell(config, finished, folder)
    for failure in finished.failures:
        print(f"selfcorrect: {failure}", file=sys.stderr)
    if finished.failures:
        print("selfcorrect: the same command tries again what failed.", file=sys.stderr)
    return 1 if finished.failures else 0


def configured(options: CompareOptions) -> CompareConfig:
    """Return the comparison that the options ask for, on their own or over a file's.

    Raises:
        UsageError: neither a file nor methods were given, or both.
        ComparisonError: a value can't be meant.
    """
    given = {
        field.name: value
        for field in dataclasses.fields(CompareOptions)
        if field.name not in ("config", "out", "methods", "env", "scaling")
        and (value := getattr(options, field.name)) is not None
    }
    if options.config is not None:
        if options.methods is not None or options.env is not None:
            raise UsageError(
                "--methods and --env cannot be given beside a file: change them in "
                f"{options.config}."
            )
        config = read_config(options.config)
        if options.scaling is False:
            config = dataclasses.replace(config, scaling=None)
        elif options.scaling and config.scaling is None:
            raise UsageError(f"--scaling: give {options.config} a [scaling] table.")
        return dataclasses.replace(config, **given)
    if not options.methods:
        raise UsageError(
            "What to compare? selfcorrect compare compare.toml, or --methods base score …; "
            "see selfcorrect compare --help."
        )
    return config_of({**given, **_tables(options, options.methods)}, "command line")


def _tables(options: CompareOptions, methods: Sequence[str]) -> Mapping[str, Any]:
    twice = {name for name in methods if methods.count(name) > 1}
    if twice:
        raise UsageError(
            f"--methods: {', '.join(sorted(twice))} is there twice; a compare.toml can give a "
            "method several labels."
        )
    tables: dict[str, Any] = {"methods": {name: {} for name in methods}}
    if options.env is not None:
        tables["env"] = options.env
    if options.scaling:
        tables["scaling"] = {}
    return tables


def _tell(config: CompareConfig, finished: Finished, folder: Path) -> None:
    comparison = comparison_of(config, finished.results)
    write_tables(folder, comparison)
    write_report(folder, comparison, finished.results)
    console = Console()
    console.print(for_terminal(comparison))
    written = ", ".join(("report.html", "comparison.json", "table.md", "table.csv"))
    console.print(f"Written to {folder}: {written}", highlight=False, markup=False)
