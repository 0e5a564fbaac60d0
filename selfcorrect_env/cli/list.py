"""``selfcorrect list``: the environments, agents, problem sets, verifiers and prompts."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import TypeAlias

import gymnasium as gym
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfcorrect_env import prompts, verifiers
from selfcorrect_env.cli.options import parse
from selfcorrect_env.cli.outputs import print_json
from selfcorrect_env.evaluation.agent_factory import installed_agents, summary_of
from selfcorrect_env.evaluation.missing_packages import Sources
from selfcorrect_env.problems import sources

ABOUT = """\
Show what is installed, with one line about each: environments, agents, problem sets, verifiers and
prompts. An agent that lacks a package is marked; 'selfcorrect doctor' shows how to install it.

Examples:
  selfcorrect list
  selfcorrect list --json"""

Listing: TypeAlias = dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """How to show them."""

    json: bool = False
    """Print one JSON object: kind -> name -> summary."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(ListOptions, argv, prog="selfcorrect list", about=ABOUT)
    found = listing()
    if options.json:
        print_json(found)
        return 0
    console = Console()
    for kind, rows in found.items():
        table = Table(title=kind, title_justify="left", show_header=False, box=None)
        table.add_column(no_wrap=True)
        table.add_column()
        for name, line in rows.items():
            table.add_row(Text(f"  {name}", style="bold"), Text(line))
        console.print(table)
    return 0


def listing() -> Listing:
    """Return kind -> name -> summary; nothing heavy is imported for it."""
    read = Sources()
    return {
        "environments": {
            spec.id: _environment(spec.kwargs.get("problems"))
            for spec in gym.registry.values()
            if spec.id.startswith("SelfCorrect-")
        },
        "agents": {name: _agent(point, read) for name, point in installed_agents().items()},
        "problem sets": {
            **{name: source.summary for name, source in sources.SOURCES.items()},
            **sources.REGISTRY.origins(),
        },
        "verifiers": {
            **{name: entry.summary for name, entry in verifiers.VERIFIERS.items()},
            **verifiers.REGISTRY.origins(),
        },
        "prompts": {
            **{name: _first_sentence(text.correction) for name, text in prompts.PROMPTS.items()},
            **prompts.REGISTRY.origins(),
        },
    }


def _agent(point: EntryPoint, read: Sources) -> str:
    missing = read.missing_packages(point.module)
    lacks = f" [cannot run: {', '.join(missing)} not installed]" if missing else ""
    return summary_of(point) + lacks


def _environment(problems: object) -> str:
    return (
        sources.SOURCES[problems].summary
        if isinstance(problems, str) and problems in sources.SOURCES
        else ""
    )


def _first_sentence(text: str) -> str:
    return text.partition(".")[0].strip("# ") + "."
