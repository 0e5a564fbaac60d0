"""The console script ``selfcorrect``: finds the command that the first word names, and runs it.

Only the named command's module is imported, so that ``selfcorrect --help`` answers at once. A
command is a callable that takes its arguments (``list[str]``) and returns an exit status. Other
packages add commands with the entry-point group ``selfcorrect_env.commands``.

``--debug`` and ``--quiet`` may be anywhere on the command line; no command sees them.

Exit status: 0 done; 1 done, and a check failed (validate, rescore, doctor, eval), or an unexpected
error; 2 invalid arguments or an unusable file; 130 Ctrl-C. An error is one line on stderr;
``--debug`` adds its traceback.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TypeAlias

from selfcorrect_env import interrupts
from selfcorrect_env.errors import SelfCorrectError, UsageError
from selfcorrect_env.notices import one_line_warnings
from selfcorrect_env.plugins import Registry, origin
from selfcorrect_env.terminal import quietly

Command: TypeAlias = Callable[[list[str]], int]

INSTALL_AGENTS = 'pip install "selfcorrect-env[agents]"'

OWN_COMMANDS = {
    "list": "Show the installed environments, agents, problem sets, verifiers and prompts.",
    "play": "Play the two attempts at one problem yourself.",
    "eval": "Measure how well an agent corrects itself.",
    "validate": "Check that an environment's reward can be trusted.",
    "rescore": "Re-score stored episodes with another verifier.",
    "serve": "Serve an environment to other trainers (OpenEnv).",
    "doctor": "Check this machine.",
    "completion": "Print a script that completes commands and options in your shell.",
}
"""Name -> summary. The command ``NAME`` is `selfcorrect_env.cli.NAME.main`."""

REGISTRY = Registry(
    "command",
    "selfcorrect_env.commands",
    {name: f"selfcorrect_env.cli.{name}:main" for name in OWN_COMMANDS},
    UsageError,
    hint="See selfcorrect --help.",
)
"""The commands by name, of this package and of others."""

AGENTS_COMMANDS = {
    "compare": "Compare methods under equal conditions, over several seeds.",
    "push": "Upload a trained model with its card to the Hugging Face hub.",
    "quickstart": "Train small models to correct themselves and compare them, in minutes.",
    "train": "Train an agent with one of the methods.",
}
"""Commands of the agents extra, shown whether or not it is installed."""

GLOBAL_OPTIONS = {
    "--quiet": "Print results, warnings and errors, but no progress and no notes.",
    "--debug": "Print the traceback of an error.",
}
"""Options of every command, which `main` takes off the command line."""

EXAMPLES = """\
Examples:
  selfcorrect quickstart                                      train and compare small models
  selfcorrect list                                            show what is installed
  selfcorrect play SelfCorrect-Arithmetic-v0                  answer a problem yourself
  selfcorrect eval base --env SelfCorrect-Arithmetic-v0 --n 200
  selfcorrect eval my_module:my_agent --env SelfCorrect-MATH-v0 --out runs/mine

'selfcorrect COMMAND --help' describes a command and its options."""

NOTES = """\
--json, where a command has it, prints one JSON value on stdout. NO_COLOR=1 leaves out colours.
'selfcorrect completion --help' shows how to switch on completion in your shell.
SELFCORRECT_CACHE and HF_HOME move the caches; 'selfcorrect doctor' shows them. No command sends
usage data."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``selfcorrect`` with ``argv`` (the process's arguments by default)."""
    given = list(sys.argv[1:] if argv is None else argv)
    words = [word for word in given if word not in GLOBAL_OPTIONS]
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with quietly("--quiet" in given), one_line_warnings():
            status = _run(words)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `selfcorrect list | head`: the reader has left, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SelfCorrectError, OSError) as error:
        return _fail(error, str(error), status=2, debug=debug)
    except KeyboardInterrupt:
        print(interrupts.MESSAGE, file=sys.stderr)
        return 130
    except Exception as error:  # a bug, in this package or in an agent
        hint = "" if debug else " --debug shows the traceback."
        return _fail(error, f"{unexpected(error)}{hint}", status=1, debug=debug)


def unexpected(error: Exception) -> str:
    """Return the message of an unexpected error, with the place that raised it."""
    message = f"{type(error).__name__}: {error}".rstrip(": ").rstrip(".")
    places = traceback.extract_tb(error.__traceback__)
    where = f" ({places[-1].filename}, line {places[-1].lineno})" if places else ""
    return f"{message}{where}."


def _fail(error: Exception, message: str, *, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"selfcorrect: {' '.join(message.split())}", file=sys.stderr)
    return status


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"selfcorrect-env {version('selfcorrect-env')}")
        return 0
    command = _find(words[0])
    interrupts.raise_again()
    return command(words[1:])


def _find(name: str) -> Command:
    if name.startswith("-"):
        raise UsageError(f"Unknown option {name!r}; see selfcorrect --help.")
    if name in AGENTS_COMMANDS and name not in REGISTRY.installed():
        raise UsageError(f"The command {name!r} needs {INSTALL_AGENTS}")
    try:
        return REGISTRY.load(name)
    except UsageError as error:
        needed = f" It may need {INSTALL_AGENTS}" if name in AGENTS_COMMANDS else ""
        raise UsageError(f"{error}.{needed}") from error.__cause__


def _help() -> str:
    rows = OWN_COMMANDS | AGENTS_COMMANDS
    for name, point in REGISTRY.installed().items():
        rows.setdefault(name, origin(point))
    names = ", ".join(AGENTS_COMMANDS)
    missing = [] if find_spec("torch") else [f"{names} need {INSTALL_AGENTS}", ""]
    return "\n".join(
        [
            "usage: selfcorrect COMMAND [...] [--quiet] [--debug] | --version | --help",
            "",
            "Train and evaluate language models that correct themselves. The model answers each",
            "problem twice and is never told whether its first answer was right.",
            "",
            "Commands:",
            *(f"  {name:<12}{summary}" for name, summary in rows.items()),
            "",
            "Options of every command:",
            *(f"  {name:<12}{summary}" for name, summary in GLOBAL_OPTIONS.items()),
            "",
            *missing,
            EXAMPLES,
            "",
            NOTES,
        ]
    )
