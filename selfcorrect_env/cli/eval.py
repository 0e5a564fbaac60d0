"""``selfcorrect eval AGENT``: plays every problem with an agent and prints the report."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from typing import Annotated, Any

import tyro

from selfcorrect_env.cli.main import GLOBAL_OPTIONS
from selfcorrect_env.cli.options import EnvOptions, at_least, make_env, parse
from selfcorrect_env.cli.outputs import note, output_folder, print_json
from selfcorrect_env.errors import AgentError, UnjudgedWarning, UsageError
from selfcorrect_env.evaluation.agent_factory import AgentFactory, find_agent, installed_agents
from selfcorrect_env.evaluation.code_identity import hash_of_files
from selfcorrect_env.evaluation.evaluator import evaluate
from selfcorrect_env.evaluation.report import Report
from selfcorrect_env.problems import read_trained_on
from selfcorrect_env.types import Agent

ABOUT = """\
Measure how well an agent corrects itself: each problem is answered twice, and the accuracy at
both attempts and what changed between them is reported with 95% intervals.

AGENT is a name from 'selfcorrect list' or module:attribute (a class, an object with act(), or a
function from a conversation to a reply). 'selfcorrect eval AGENT --help' adds the agent's options.

Exit status: 0 done; 1 no episode was judged; 2 invalid arguments.

Examples:
  selfcorrect eval base --env SelfCorrect-Arithmetic-v0 --n 200
  selfcorrect eval base --env SelfCorrect-GSM8K-v0 --path gsm8k_test.jsonl --n 50 --out runs/base
  selfcorrect eval my_module:my_agent --env SelfCorrect-MATH-v0 --problems procedural
  selfcorrect eval openai --model M --base-url http://localhost:8000/v1 \\
      --env SelfCorrect-MATH500-v0 --n 500 --out runs/m
  selfcorrect eval score --model runs/mine/model --env SelfCorrect-MATH-v0 --samples 8 \\
      --temperature 0.6 --top-p 0.95
  selfcorrect eval score --model runs/mine/model --env SelfCorrect-Arithmetic-v0 --json"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalOptions(EnvOptions):
    """What to measure, and where to store it."""

    env: str
    """The environment's id, such as SelfCorrect-MATH-v0."""
    n: int | None = None
    """Only the first N problems; all of them by default."""
    samples: int = 1
    """Episodes of each problem; above 1 the report has Avg@k, pass@k and maj@k of every turn."""
    batch_size: int = 64
    """How many problems an agent answers at a time that takes whole batches."""
    concurrency: int | None = None
    """How many conversations an agent answers at a time that is asked one by one: a served model or
    an async function (32 by default), or a function, in threads (1 by default)."""
    out: str | None = None
    """A folder for the report and the episodes. After an interruption the same command resumes."""
    json: bool = False
    """Print the report as one JSON object instead of tables."""

    def __post_init__(self) -> None:
        at_least(1, n=self.n, samples=self.samples, batch_size=self.batch_size)
        at_least(1, concurrency=self.concurrency)
        if self.out is not None:
            output_folder(self.out)


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    if not argv or argv[0].startswith("-"):
        if any(word in ("-h", "--help") for word in argv):
            _parse(None, ["--help"])
        raise UsageError(
            "Which agent? selfcorrect eval AGENT --env ID. Installed agents: "
            f"{', '.join(sorted(installed_agents())) or 'none'}; or module:attribute."
        )
    factory = find_agent(argv[0])
    options, config = _parse(factory, argv[1:])
    report = _evaluate(factory, options, config)
    if options.json:
        print_json(report.to_dict())
    else:
        from rich.console import Console

        Console().print(report)
        if options.out is not None:
            note(f"Report and episodes: {options.out}")
    if report.metrics.unjudged:
        print(f"selfcorrect: {' '.join(report.metrics.why_unjudged().split())}", file=sys.stderr)
    return 0 if report.metrics.judged else 1


def _evaluate(factory: AgentFactory, options: EvalOptions, config: Any) -> Report:
    model = None if getattr(config, "remote", False) else _model_of(config)
    if options.samples > 1 and getattr(config, "temperature", None) == 0:
        raise UsageError(
            f"--samples {options.samples} of greedy replies are all alike: give --temperature, 0.6 "
            "say."
        )
    if (getattr(config, "top_p", None) or 1) < 1 and getattr(config, "temperature", None) == 0:
        raise UsageError(
            "--top-p has no part in greedy replies: give --temperature, 0.6 say, or leave it out."
        )
    env = make_env(options.env, options)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnjudgedWarning)  # `main` prints it in one line
            return evaluate(
                _build(factory, config),
                env,
                n=options.n,
                samples=options.samples,
                batch_size=options.batch_size,
                concurrency=options.concurrency,
                progress=True,
                name=factory.name,
                settings={} if config is None else _settings(config) | _files_of(model),
                out=options.out,
                trained_on=None if model is None else read_trained_on(model),
            )
    except KeyboardInterrupt:
        if options.out is not None:
            print(
                f"\nselfcorrect: what was answered is in {options.out}; "
                "the same command resumes after them.",
                file=sys.stderr,
            )
        raise
    finally:
        env.close()


def _model_of(config: Any) -> str | None:
    """Return the option ``model`` of an agent's configuration, or of a part of it."""
    if not dataclasses.is_dataclass(config):
        return None
    value = getattr(config, "model", None)
    if isinstance(value, str):
        return value
    parts = (_model_of(getattr(config, field.name)) for field in dataclasses.fields(config))
    return next((model for model in parts if model is not None), None)


def _files_of(model: str | None) -> dict[str, str]:
    """Return the hash of a local model's files: the folder may hold other weights next time."""
    if model is None or not os.path.exists(path := os.path.expanduser(model)):
        return {}
    try:
        return {"model_sha256": hash_of_files(path)}
    except OSError as error:
        raise UsageError(f"The model {model!r} cannot be read: {error}") from error


def _parse(factory: AgentFactory | None, argv: list[str]) -> tuple[EvalOptions, Any]:
    """Read the command's options and the agent's, which are flags side by side."""
    agent = "AGENT" if factory is None else factory.name
    fields: list[tuple[str, Any]] = [("run", Annotated[EvalOptions, _flat()])]
    if factory is not None and factory.config is not None:
        ours = {field.name for field in dataclasses.fields(EvalOptions)}
        ours |= {option.strip("-") for option in GLOBAL_OPTIONS}
        shared = ours & {field.name for field in dataclasses.fields(factory.config)}
        if shared:
            raise AgentError(
                f"Agent {agent!r}: its Config has fields that 'selfcorrect eval' uses itself "
                f"({', '.join(sorted(shared))}); they need other names."
            )
        fields.append(("agent", Annotated[factory.config, _flat()]))
    both = dataclasses.make_dataclass("Options", fields, frozen=True)
    parsed = parse(both, argv, prog=f"selfcorrect eval {agent}", about=ABOUT)
    return parsed.run, getattr(parsed, "agent", None)


def _flat() -> Any:
    return tyro.conf.arg(name="")


def _build(factory: AgentFactory, config: Any) -> Agent:
    try:
        return factory.build(config)
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"Cannot build agent {factory.name!r}: {error}") from error


def _settings(config: Any) -> dict[str, Any]:
    """Return the options that replies depend on; ``NOT_MEASURED`` names the others."""
    return {
        key: value if isinstance(value, str | int | float | bool | None) else str(value)
        for key, value in dataclasses.asdict(config).items()
        if key not in getattr(config, "NOT_MEASURED", ())
    }
