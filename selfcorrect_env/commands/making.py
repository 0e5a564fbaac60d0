"""The options that several commands share: which environment, on which problems."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import gymnasium as gym
import tyro

import selfcorrect_env  # noqa: F401 - registers the ids
from selfcorrect_env.cli import UsageError


@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """Which problems the environment holds."""

    problems: str | None = None
    """Another problem set than the environment's own: a name of 'selfcorrect list', or a file of
    problems (.jsonl, .json, .parquet with the columns prompt and reference)."""
    path: str | None = None
    """A local file with the environment's real data set (GSM8K, MATH)."""
    split: str | None = None
    """The split, such as train or test; the environment's own by default."""
    option: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE [KEY=VALUE ...]")] = ()
    """More options of the problem set, such as length=4; values are read as JSON, else as text."""


def make_env(id: str, options: ProblemOptions) -> gym.Env[Any, Any]:
    """Return ``gym.make(id)`` with these options.

    Raises:
        UsageError: the id is unknown, or the environment does not take an option.
    """
    named = {name: getattr(options, name) for name in ("problems", "path", "split")}
    keywords = {name: value for name, value in named.items() if value is not None}
    for pair in options.option:
        key, equals, value = pair.partition("=")
        if not (equals and key.isidentifier()):
            raise UsageError(f"--option takes KEY=VALUE, got {pair!r}.")
        keywords[key] = _value(value)
    try:
        return gym.make(id, **keywords)
    except (gym.error.Error, ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"Cannot make {id!r}: {error}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
