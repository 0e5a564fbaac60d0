"""``selfcorrect completion SHELL``: a script that completes what is typed in a shell."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

import gymnasium as gym
import tyro

from selfcorrect_env.cli.main import GLOBAL_OPTIONS, REGISTRY
from selfcorrect_env.cli.options import collected_options, parse
from selfcorrect_env.cli.unchecked import twin_of
from selfcorrect_env.evaluation.agent_factory import installed_agents, installed_configurations

ABOUT = """\
Print a script that completes commands, options, agents, methods and environments in your shell.
Print it again after you install a package that adds some. An agent's own options are not completed.

Examples:
  selfcorrect completion bash > ~/.local/share/bash-completion/completions/selfcorrect
  selfcorrect completion zsh > ~/.zfunc/_selfcorrect       with fpath+=~/.zfunc before compinit
  selfcorrect completion fish > ~/.config/fish/completions/selfcorrect.fish"""

OURS = ("selfcorrect_env", "selfcorrect_agents")
"""Packages whose commands read their options with `parse`."""


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """For which shell."""

    shell: Annotated[Literal["bash", "zsh", "fish"], tyro.conf.Positional]
    """The shell."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(CompletionOptions, argv, prog="selfcorrect completion", about=ABOUT)
    print(script(options.shell))
    return 0


def script(shell: str, commands: Mapping[str, type[Any]] | None = None) -> str:
    """Return the script that tyro writes for all commands together.

    Args:
        shell: bash, zsh or fish.
        commands: the options of each command, as a dataclass; by default those that are installed.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        tyro.cli(
            _one_of(dict(_commands()) if commands is None else commands),
            prog="selfcorrect",
            args=["--tyro-write-completion", shell, "-"],
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    lines = printed.getvalue().rstrip().splitlines()
    return "\n".join(_in_one_line(line) if "COMPLETION_SPEC =" in line else line for line in lines)


def _in_one_line(spec: str) -> str:
    """Return tyro's table of options without breaks in descriptions: each would be a candidate."""
    return re.sub(r"(?<!\\)\\n", " ", spec)


def _commands() -> Iterator[tuple[str, type[Any]]]:
    """Yield the commands with their options; those of other packages have none that is known."""
    for name, origin in {**REGISTRY.own, **REGISTRY.installed()}.items():
        module = origin if isinstance(origin, str) else origin.value
        if module.partition(".")[0] not in OURS:
            yield name, _with_globals(object)
        elif name == "eval":
            options = _options(name)
            yield name, _first_word(dict.fromkeys(installed_agents(), options))
        elif name == "train":
            yield name, _first_word({each: _options(name, each) for each in _methods()})
        else:
            yield name, _options(name)


def _methods() -> list[str]:
    return sorted(installed_configurations())


def _options(*words: str) -> type[Any]:
    """Return the options of a command as a dataclass that knows the environments' ids."""
    ids = Literal[tuple(id for id in gym.registry if id.startswith("SelfCorrect-"))]  # type: ignore[valid-type]
    found = collected_options(REGISTRY.load(words[0]), [*words[1:], "--help"])
    return _with_globals(twin_of(found, {"env": ids, "id": ids}))


def _with_globals(cls: type[Any]) -> type[Any]:
    fields = [
        (option.strip("-"), bool, dataclasses.field(default=False)) for option in GLOBAL_OPTIONS
    ]
    return dataclasses.make_dataclass(
        "Options", fields, bases=(cls,), frozen=cls is not object, kw_only=True
    )


def _first_word(choices: Mapping[str, type[Any]]) -> type[Any]:
    """Return a dataclass of one field, a choice of subcommands."""
    return dataclasses.make_dataclass("Choice", [("choice", _one_of(choices))])


def _one_of(choices: Mapping[str, type[Any]]) -> Any:
    named = [Annotated[cls, tyro.conf.subcommand(name)] for name, cls in choices.items()]
    return Union[tuple(named)]  # noqa: UP007 - of a number that is known at run time
