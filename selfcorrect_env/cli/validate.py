"""``selfcorrect validate ID``: can the reward of an environment be believed?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import tyro
from rich.console import Console

from selfcorrect_env.cli.options import EnvOptions, make_env, parse
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import UsageError
from selfcorrect_env.evaluation.validation import CHECKS, validate

ABOUT = (
    """\
Try on every problem of an environment whether its reward can be believed. What must hold:

"""
    + "\n".join(f"  {name + ':':13}{claim}" for name, (claim, _) in CHECKS.items())
    + """

Exit status: 0 nothing was found; 1 something was, and it is listed; 2 a mistake in what was asked.

Examples:
  selfcorrect validate SelfCorrect-Arithmetic-v0
  selfcorrect validate SelfCorrect-GSM8K-v0 --path gsm8k_test.jsonl --out gsm8k.json
  selfcorrect validate SelfCorrect-Arithmetic-v0 --problems mine.jsonl --verifier math"""
)


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(EnvOptions):
    """Which environment, and where the findings go."""

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """The environment's id, such as SelfCorrect-MATH-v0."""
    n: int | None = None
    """Only the first so many problems; all of them by default."""
    out: str | None = None
    """A .json file for everything that was found."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(ValidateOptions, argv, prog="selfcorrect validate", about=ABOUT)
    if options.out is not None and not Path(options.out).absolute().parent.is_dir():
        raise UsageError(f"--out: there is no folder {str(Path(options.out).parent)!r}.")
    env = make_env(options.id, options)
    try:
        with Console(stderr=True).status("validating") as status:
            validation = validate(
                cast(SelfCorrectEnv, env.unwrapped),
                n=options.n,
                on_check=lambda name: status.update(f"validating: {name}"),
            )
    finally:
        env.close()
    Console().print(validation)
    if options.out is not None:
        validation.to_json(options.out)
        print(f"All findings: {options.out}")
    return 1 if validation.findings else 0
