"""``selfcorrect validate ID``: check that an environment's reward can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, cast

import tyro
from rich.console import Console

from selfcorrect_env.cli.options import EnvOptions, at_least, make_env, parse
from selfcorrect_env.cli.outputs import note, output_file, print_json
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.evaluation.validation import CHECKS, validate
from selfcorrect_env.terminal import status_line

ABOUT = (
    """\
Check on every problem of an environment that its reward can be trusted. The checks:
"""
    + "\n".join(f"  {name + ':':13}{claim}" for name, (claim, _) in CHECKS.items())
    + """

Exit status: 0 every check passed; 1 a check failed, and its findings are listed; 2 invalid
arguments.

Examples:
  selfcorrect validate SelfCorrect-Arithmetic-v0
  selfcorrect validate SelfCorrect-GSM8K-v0 --path gsm8k_test.jsonl --out gsm8k.json
  selfcorrect validate SelfCorrect-Arithmetic-v0 --problems mine.jsonl --verifier math
  selfcorrect validate SelfCorrect-Arithmetic-v0 --n 50 --json"""
)


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(EnvOptions):
    """Which environment, and where the findings go."""

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """The environment's id, such as SelfCorrect-MATH-v0."""
    n: int | None = None
    """Check only the first N problems; all of them by default."""
    out: str | None = None
    """Write all findings to this .json file."""
    json: bool = False
    """Print all findings as one JSON object instead of a table."""

    def __post_init__(self) -> None:
        at_least(1, n=self.n)


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(ValidateOptions, argv, prog="selfcorrect validate", about=ABOUT)
    out = None if options.out is None else output_file(options.out)
    env = make_env(options.id, options)
    try:
        with status_line("validating") as status:
            validation = validate(
                cast(SelfCorrectEnv, env.unwrapped),
                n=options.n,
                on_check=lambda name: status(f"validating: {name}"),
            )
    finally:
        env.close()
    if out is not None:
        validation.to_json(out)
    if options.json:
        print_json(asdict(validation))
    else:
        Console().print(validation)
        if out is not None:
            note(f"All findings: {out}")
    return 1 if validation.findings else 0
