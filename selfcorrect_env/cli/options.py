"""The options that several commands share: which environment, on which problems."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import gymnasium as gym
import tyro

import selfcorrect_env  # noqa: F401 - registers the ids
from selfcorrect_env.cli.unchecked import checked, twin_instance, twin_of
from selfcorrect_env.errors import UnknownNameError, UsageError
from selfcorrect_env.registration import make

T = TypeVar("T")

_KEYWORDS = ("problems", "path", "split", "verifier", "prompts")


@dataclass(frozen=True, kw_only=True)
class EnvOptions:
    """How the environment is made."""

    problems: str | None = None
    """Another problem set: a name of 'selfcorrect list', or a .jsonl, .json or .parquet file."""
    path: str | None = None
    """A local file of the environment's own data set (GSM8K, MATH)."""
    split: str | None = None
    """The split, such as train, validation or test; by default the environment's own."""
    verifier: str | None = None
    """Another verifier: a name of 'selfcorrect list', or module:attribute."""
    prompts: str | None = None
    """Other prompts, such as plain or math."""
    option: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")
    ] = ()
    """One more option of the problem set, read as JSON, else as text; may be given again."""


def make_env(id: str, options: EnvOptions) -> gym.Env[Any, Any]:
    """Return ``gym.make(id)`` with these options.

    Raises:
        UnknownNameError: no environment has this id, or no problem set, verifier … has a name.
        UsageError: the environment does not take an option, or cannot be made.
    """
    given = {name: getattr(options, name) for name in _KEYWORDS}
    keywords = {name: value for name, value in given.items() if value is not None}
    for pair in options.option:
        key, equals, value = pair.partition("=")
        if not (equals and key.isidentifier()):
            raise UsageError(f"--option takes KEY=VALUE, got {pair!r}.")
        keywords[key] = _value(value)
    try:
        return make(id, **keywords)
    except UnknownNameError:
        raise
    except (gym.error.Error, ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"Cannot make {id!r}: {error}") from error


def parse(
    options: type[T], argv: list[str], *, prog: str, about: str, default: T | None = None
) -> T:
    """Return the ``options`` that ``argv`` gives; a mistake or --help ends the process.

    Args:
        options: a dataclass; dataclasses in it are groups of options.
        argv: the command line.
        prog: the command, as the help names it.
        about: what the command does, for the help.
        default: the values of options that are not given; by default the dataclass's own.
    """
    twin: Any = twin_of(options)
    filled = tyro.cli(
        twin,
        args=argv,
        prog=prog,
        description=about,
        default=None if default is None else twin_instance(twin, default),
        config=(tyro.conf.DisallowNone,),
    )
    try:
        return checked(options, filled)
    except ValueError as error:  # a value that a dataclass refuses
        raise UsageError(str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
