"""The console script ``selfcorrect``: finds the command that the first word names, and runs it.

Only the named command's module is imported, so that ``selfcorrect --help`` answers at once. A
command is a callable that takes its arguments (``list[str]``) and returns an exit status. Other
packages add commands by the entry-point group ``selfcorrect_env.commands``.

Exit status: 0 done; 1 done, and something was found (validate, rescore, doctor); 2 a mistake in
what was asked, said in one line on stderr; 130 Ctrl-C.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from typing import TypeAlias

from selfcorrect_env.errors import SelfCorrectError, UnknownNameError

Command: TypeAlias = Callable[[list[str]], int]

GROUP = "selfcorrect_env.commands"
INSTALL_AGENTS = 'pip install "selfcorrect-env[agents]"'

OWN_COMMANDS = {
    "list": ("selfcorrect_env.cli.list", "Show what is installed to play and measure."),
    "play": ("selfcorrect_env.cli.play", "Play the two attempts at one problem yourself."),
    "eval": ("selfcorrect_env.cli.eval", "Measure how well an agent corrects itself."),
    "validate": ("selfcorrect_env.cli.validate", "Try whether a reward can be believed."),
    "rescore": ("selfcorrect_env.cli.rescore", "Judge stored episodes again, differently."),
    "doctor": ("selfcorrect_env.cli.doctor", "Tell what works on this machine."),
}
"""Name -> (module with a ``main(argv) -> int``, what it does)."""

AGENTS_COMMANDS = {
    "compare": "Run methods side by side, on equal ground, over several seeds.",
    "quickstart": "Train and compare small models that correct themselves, in minutes.",
    "train": "Train an agent with one of the methods.",
}
"""Commands of the agents extra, shown whether or not it is installed."""

EXAMPLES = """\
Examples:
  selfcorrect quickstart                                      watch a small model learn
  selfcorrect list                                            what there is to play and measure
  selfcorrect play SelfCorrect-Arithmetic-v0                  answer a problem twice yourself
  selfcorrect eval base --env SelfCorrect-Arithmetic-v0 --n 200
  selfcorrect eval my_module:my_agent --env SelfCorrect-MATH-v0 --out runs/mine

'selfcorrect COMMAND --help' tells more about a command."""


class UsageError(SelfCorrectError):
    """A mistake in what the user asked for: printed as one line, exit status 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``selfcorrect`` with ``argv`` (the process's arguments by default)."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except SelfCorrectError as error:
        print(f"selfcorrect: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nselfcorrect: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `selfcorrect list | head`: nobody reads on, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"selfcorrect-env {version('selfcorrect-env')}")
        return 0
    return _find(words[0])(words[1:])


def _find(name: str) -> Command:
    if name in OWN_COMMANDS:
        return importlib.import_module(OWN_COMMANDS[name][0]).main
    plugged = _plugged_commands()
    if name in plugged:
        try:
            return plugged[name].load()
        except ImportError as error:
            raise UsageError(
                f"The command {name!r} cannot be loaded ({error}). It may need {INSTALL_AGENTS}"
            ) from error
    if name in AGENTS_COMMANDS:
        raise UsageError(f"The command {name!r} needs {INSTALL_AGENTS}")
    if name.startswith("-"):
        raise UsageError(f"Unknown option {name!r}; see selfcorrect --help.")
    raise UnknownNameError.of("command", name, {*OWN_COMMANDS, *AGENTS_COMMANDS, *plugged})


def _plugged_commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _help() -> str:
    plugged = _plugged_commands()
    rows = {name: summary for name, (_, summary) in OWN_COMMANDS.items()}
    rows |= AGENTS_COMMANDS
    for name, point in plugged.items():
        rows.setdefault(name, f"From {point.dist.name if point.dist else point.value}.")
    names = " and ".join(AGENTS_COMMANDS)
    missing = [] if find_spec("torch") else [f"{names} need {INSTALL_AGENTS}", ""]
    return "\n".join(
        [
            "usage: selfcorrect COMMAND [...] | --version | --help",
            "",
            "Train and measure language models that correct themselves: every problem is answered",
            "twice, with nothing said in between about whether the first answer was right.",
            "",
            "Commands:",
            *(f"  {name:<12}{summary}" for name, summary in rows.items()),
            "",
            *missing,
            EXAMPLES,
        ]
    )
