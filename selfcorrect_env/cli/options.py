"""The options that several commands share: the environment and its problems."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import gymnasium as gym
import tyro

import selfcorrect_env  # noqa: F401 - registers the ids
from selfcorrect_env.cli.unchecked import checked, twin_instance, twin_of
from selfcorrect_env.errors import UnknownNameError, UsageError
from selfcorrect_env.problems import has_splits
from selfcorrect_env.registration import make, registered_options

T = TypeVar("T")

_KEYWORDS = (
    "problems",
    "path",
    "split",
    "holdout",
    "prompt_column",
    "reference_column",
    "id_column",
    "verifier",
    "prompts",
    "attempts",
)
_NO_HINT = tyro.conf.arg(help_behavior_hint="")  # not "(default: None)"
_REFUSED = re.compile(
    r"no type matching (?P<kind>\S+) could be instantiated from \[(?P<given>.*?)\]"
)
_KINDS = {"INT": "a whole number", "FLOAT": "a number"}
_GYMNASIUMS_WORDS = " was raised from the environment creator for "
_collected: ContextVar[list[type[Any]] | None] = ContextVar("selfcorrect_options", default=None)


@dataclass(frozen=True, kw_only=True)
class EnvOptions:
    """How the environment is made."""

    problems: Annotated[str | None, _NO_HINT, tyro.conf.arg(metavar="NAME|FILE|FOLDER")] = None
    """Other problems: a name of 'selfcorrect list', a file, or a folder with a file per split."""
    path: Annotated[str | None, _NO_HINT] = None
    """Local file or folder of the environment's own data set, such as GSM8K, MATH or APPS."""
    split: Annotated[str | None, _NO_HINT] = None
    """Split, by default train for training and test otherwise. A single file has no splits."""
    holdout: Annotated[float | None, _NO_HINT] = None
    """Share of --problems, in (0, 1), for the split test, by a hash of each statement."""
    prompt_column: Annotated[str | None, _NO_HINT] = None
    """Column of --problems that holds the statement; by default prompt."""
    reference_column: Annotated[str | None, _NO_HINT] = None
    """Column of --problems that holds the reference answer; by default reference."""
    id_column: Annotated[str | None, _NO_HINT] = None
    """Column of --problems that holds the id; by default id, or the row's number."""
    verifier: Annotated[str | None, _NO_HINT] = None
    """Another verifier: a name of 'selfcorrect list', or module:attribute."""
    prompts: Annotated[str | None, _NO_HINT] = None
    """Other prompts: a name of 'selfcorrect list', or module:attribute."""
    attempts: Annotated[int | None, _NO_HINT] = None
    """Attempts at each problem; by default the environment's own, mostly 2."""
    option: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")
    ] = ()
    """Another option of the problem set, such as level=2. VALUE is JSON, otherwise text."""


def make_env(id: str, options: EnvOptions, *, split: str | None = None) -> gym.Env[Any, Any]:
    """Return ``gym.make(id)`` with these options.

    Args:
        id: the environment's id.
        options: its options.
        split: the split if the options name none and the problems have splits.

    Raises:
        UnknownNameError: no environment has this id, or no problem set, verifier … has a name.
        UsageError: an option is unknown, or its value is invalid.
    """
    keywords = _given(options)
    made = _with_registered(id, keywords)
    if split is not None and "split" not in made and env_has_splits(id, options):
        keywords["split"] = split
    try:
        return make(id, **keywords)
    except UnknownNameError:
        raise
    except (gym.error.Error, ImportError, OSError, TypeError, ValueError) as error:
        message = str(error).partition(_GYMNASIUMS_WORDS)[0]  # it appends all keyword arguments
        raise UsageError(f"Cannot make {id!r}: {message}") from error


def env_has_splits(id: str, options: EnvOptions) -> bool:
    """Whether the problems of an environment with these options have splits.

    Args:
        id: the environment's id.
        options: its options.

    Raises:
        UsageError: an option is invalid.
    """
    made = _with_registered(id, _given(options))
    return has_splits(made.get("problems"), made.get("holdout"))


def _given(options: EnvOptions) -> dict[str, Any]:
    """Return the options that are given, as keyword arguments of the environment."""
    keywords = {name: getattr(options, name) for name in _KEYWORDS}
    keywords = {name: value for name, value in keywords.items() if value is not None}
    for pair in options.option:
        key, equals, value = pair.partition("=")
        if not (equals and key.isidentifier()):
            raise UsageError(f"--option takes KEY=VALUE, got {pair!r}.")
        if key in keywords:
            raise UsageError(f"The option {key!r} is given twice; give it once.")
        keywords[key] = _value(value)
    return keywords


def _with_registered(id: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments after those that the id is registered with."""
    registered = {} if "problems" in keywords else registered_options(id)
    return {**registered, **keywords}


def parse(
    options: type[T], argv: list[str], *, prog: str, about: str, default: T | None = None
) -> T:
    """Return the ``options`` that ``argv`` gives; --help prints the help and ends the process.

    Args:
        options: a dataclass; dataclasses in it are groups of options.
        argv: the command line.
        prog: the command, as the help names it.
        about: what the command does, for the help.
        default: the values of options that are not given; by default the dataclass's own.

    Raises:
        UsageError: an option is unknown, missing or refused.
    """
    asked = _collected.get()
    if asked is not None:
        asked.append(options)
        raise SystemExit(0)
    twin: Any = twin_of(options, described=not {"-h", "--help"}.isdisjoint(argv))
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), _no_color():
            filled = tyro.cli(
                twin,
                args=argv,
                prog=prog,
                description=about,
                default=None if default is None else twin_instance(twin, default),
                config=(tyro.conf.DisallowNone,),
            )
    except SystemExit as stop:
        if stop.code:
            raise UsageError(f"{one_line(errors.getvalue())} See {prog} --help.") from None
        raise
    try:
        return checked(options, filled)
    except ValueError as error:  # a value that a dataclass refuses
        raise UsageError(str(error)) from error


def collected_options(command: Callable[[list[str]], int], argv: list[str]) -> type[Any]:
    """Return the dataclass that a command hands to `parse`; the command ends there.

    Args:
        command: the command.
        argv: its arguments.

    Raises:
        ValueError: it ended without a call of `parse`.
    """
    found: list[type[Any]] = []
    token = _collected.set(found)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            command(argv)
    finally:
        _collected.reset(token)
    if not found:
        raise ValueError(f"The command with {argv} does not parse options.")
    return found[0]


@contextlib.contextmanager
def _no_color() -> Iterator[None]:
    """Let tyro, which knows no NO_COLOR, leave out colours as it does for a dumb terminal."""
    before = os.environ.get("TERM")
    if not os.environ.get("NO_COLOR"):
        yield
        return
    os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        os.environ.pop("TERM")
        if before is not None:
            os.environ["TERM"] = before


def one_line(box: str) -> str:
    """Return the message in the box that tyro prints about invalid arguments, as one line.

    Where the terminal's encoding has no box characters, tyro draws lines of ``-`` and no corners.

    >>> one_line("╭─ Title ─╮\\n│ Unrecognized options: --x │\\n│ ─── │\\n│ For full helptext … │")
    'Unrecognized options: --x.'
    >>> one_line(" Title \\n ----- \\n Unrecognized options: --x \\n ---- \\n For full helptext … ")
    'Unrecognized options: --x.'
    >>> one_line(
    ...     "╭─ Title ─╮\\n│ Argument --n: no type matching INT could be instantiated from ['x'] │"
    ... )
    "Argument --n: takes a whole number, got 'x'."
    """
    sections: list[list[str]] = [[]]
    for line in box.splitlines():
        text = line.strip("│╭╮╰╯─ \t")
        ruled = text != "" and not text.strip("-")
        if ruled and len(sections) == 1:
            sections[0].clear()  # the title
        if ruled or "╭" in line or (not text and "─" in line):
            sections.append([])
        elif text:
            sections[-1].append(text)
    told = [" ".join(lines) for lines in sections if lines and "helptext" not in lines[0]]
    text = " ".join(told).replace(" Perhaps you meant:", ". Perhaps you meant:")
    text = _REFUSED.sub(_what_it_takes, text.partition(" Got errors:")[0]).removesuffix(".")
    return f"{text.removesuffix(' (required)').rstrip('.')}."


def _what_it_takes(refused: re.Match[str]) -> str:
    kind = _KINDS.get(refused["kind"], refused["kind"])
    return f"takes {kind}, got {refused['given']}"


def at_least(least: int, **options: int | None) -> None:
    """Refuse options that are given and below ``least``.

    Raises:
        UsageError: naming the option.
    """
    for name, value in options.items():
        if value is not None and value < least:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} must be at least {least}, got {value}.")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
