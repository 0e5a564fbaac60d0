"""``selfcorrect compare``: methods on the same problems, with the same budget and seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from selfcorrect_agents.comparison.plan.base_model import MODEL_FIELDS, PARTS
from selfcorrect_agents.comparison.plan.config import (
    ENV_OPTIONS,
    CompareConfig,
    config_of,
    read_config,
)
from selfcorrect_agents.lm.model_config import DType
from selfcorrect_agents.lm.template_config import Thoughts
from selfcorrect_env.cli import UsageError, output_folder, parse

ABOUT = """\
Compare methods: each is trained from the same base model with the same number of episodes, and
measured on the same problems, once for each seed. Prints the metrics with 95% intervals and paired
tests, and writes comparison.json, table.md, table.csv and report.html (one page, works offline)
to --out.

A method is a name from 'selfcorrect list', or module:attribute: a class that learns, an agent that
only plays, or a function from a conversation to a reply. A compare.toml can give one method several
times with other settings, and has further keys: docs/reference/compare-toml.md. Options of the
command line override the keys of the file.

Several processes (--jobs) take one method x seed after another. After Ctrl-C, the same command
resumes. Methods and seeds can be added later: only what is missing is run.

Exit status: 0 done; 1 a method x seed failed (the others are finished; the same command tries it
again); 2 invalid arguments; 130 Ctrl-C.

Examples:
  selfcorrect compare --methods base score multiturn_rl --episodes 20480 --out runs/compare
  selfcorrect compare --methods base my_module:MyMethod --seeds 0 --n 200 --out runs/mine
  selfcorrect compare --methods base score --problems sums/ --verifier math --out runs/sums
  selfcorrect compare --methods base score --env SelfCorrect-GSM8K-v0 --model models/my-lm \\
      --preset one-gpu --episodes 6400 --jobs 1 --out runs/gsm8k
  selfcorrect compare compare.toml --out runs/compare
  selfcorrect compare compare.toml --out runs/compare --seeds 0 1 2 3 4 --jobs 4"""


def option(metavar: str, default: str = "") -> Any:
    """Return how an option without a value of its own is shown in the help text."""
    hint = f"(default: {default})" if default else ""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


@dataclass(frozen=True, kw_only=True)
class LoRAOptions:
    """Low-rank adapters; see selfcorrect train METHOD --help."""

    rank: Annotated[int | None, option("INT", "the preset's")] = None
    """Rank of the adapters of every method that learns; 0 trains the full weights."""
    alpha: Annotated[float | None, option("FLOAT", "32")] = None
    """Scale of the adapters: their output is multiplied by alpha / rank."""
    target_modules: Annotated[tuple[str, ...] | None, option("NAME ...", "all linear")] = None
    """Names of the linear layers that get an adapter, such as q_proj and v_proj."""
    layers: Annotated[int | None, option("INT", "0, every layer")] = None
    """Number of layers, counted from the last one, that get adapters."""
    seed: Annotated[int | None, option("INT", "0")] = None
    """Of the adapters' initial weights, the same in every run."""


@dataclass(frozen=True, kw_only=True)
class TemplateOptions:
    """What the chat template is given; see selfcorrect train METHOD --help."""

    system: Annotated[str | None, option("TEXT", "the template's own")] = None
    """A system prompt before every conversation that has none."""
    args: Annotated[tuple[str, ...] | None, option("NAME=VALUE ...")] = None
    """Arguments of the template, such as enable_thinking=false."""
    date: Annotated[str | None, option("DATE", "2024-07-26")] = None
    """The date, YYYY-MM-DD, that a template that prints today's date is given."""
    thoughts: Annotated[Thoughts | None, option("{keep,drop}", "keep")] = None
    """Whether a later turn reads the thoughts of earlier replies; methods that learn need keep."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What to compare, on what, and where to write the results."""

    config: Annotated[str | None, tyro.conf.Positional, option("[FILE]")] = None
    """A compare.toml; without one, --methods is required."""
    out: str = "runs/compare"
    """The folder of the results; the same command resumes from it."""
    methods: Annotated[tuple[str, ...] | None, option("NAME ...")] = None
    """Names from 'selfcorrect list', or module:attribute."""
    seeds: Annotated[tuple[int, ...] | None, option("INT ...", "0 1 2")] = None
    """Every method is trained and measured once for each seed."""
    episodes: Annotated[int | None, option("INT", "each method's own")] = None
    """Training episodes of every method."""
    model: Annotated[str | None, option("NAME", "tiny:seed={seed}")] = None
    """The base model: a folder, a Hugging Face id, a .gguf file, or "tiny"; {seed} is replaced by
    the seed."""
    revision: Annotated[str | None, option("NAME")] = None
    """Branch, tag or commit of a Hugging Face id."""
    device: Annotated[str | None, option("DEVICE", "cpu if tiny, else auto")] = None
    """Where models run: cpu, cuda …; auto is cuda if there is one."""
    dtype: Annotated[DType | None, option("{auto,float32,bfloat16}", "auto")] = None
    """Precision of the forward pass; auto is bfloat16 on a GPU that computes in it, else
    float32."""
    lora: LoRAOptions = LoRAOptions()
    template: TemplateOptions = TemplateOptions()
    activation_checkpointing: Annotated[bool | None, option("", "the preset's")] = None
    """Recompute activations in the backward pass: less memory, more time."""
    attention: Annotated[str | None, option("NAME")] = None
    """Attention implementation of transformers: sdpa, eager …"""
    preset: Annotated[str | None, option("NAME", "tiny if tiny, else one-gpu")] = None
    """Settings of every method that learns, for a kind of model: tiny, paper-math, paper-mbpp or
    one-gpu; see selfcorrect train METHOD --help."""
    env: Annotated[str | None, option("ID", "SelfCorrect-Arithmetic-v0")] = None
    """The environment's id. Methods are trained on its split "train", and measured on "test"."""
    problems: Annotated[str | None, option("NAME|PATH", "the environment's own")] = None
    """Another problem set with the splits "train" and "test": a name from 'selfcorrect list', or a
    folder with a file for each split."""
    holdout: Annotated[float | None, option("FLOAT")] = None
    """If --problems is a file: the share of it that is measured on instead of trained on."""
    verifier: Annotated[str | None, option("NAME", "the environment's own")] = None
    """Another verifier: a name from 'selfcorrect list', or module:attribute."""
    prompts: Annotated[str | None, option("NAME", "the environment's own")] = None
    """Other prompts, such as plain or math."""
    attempts: Annotated[int | None, option("INT", "2")] = None
    """Attempts at each problem."""
    n: Annotated[int | None, option("INT", "2000")] = None
    """Measure on the first N problems of the split "test"."""
    max_new_tokens: Annotated[int | None, option("INT", "the preset's")] = None
    """Token cap of one reply, the same in training and measuring."""
    decodings: Annotated[tuple[str, ...] | None, option("NAME ...", "sampled greedy")] = None
    """How replies are drawn in measuring: sampled (T = 1), greedy (T = 0), base_first (T = 1, first
    attempts of the base model)."""
    reference: Annotated[str | None, option("NAME", "score")] = None
    """The method that all others are paired with, beside the base model."""
    scaling: Annotated[bool | None, option("", "no")] = None
    """Also draw 32 samples of each of 200 problems: majority vote and pass@k against the number of
    replies. The table [scaling] of a file has further settings."""
    arrival: Annotated[float | None, option("FLOAT")] = None
    """Accuracy at the last attempt, in (0, 1), from which a seed has arrived: also count the seeds
    that arrive, and the training episodes until then."""
    jobs: Annotated[int | None, option("INT", "2")] = None
    """Processes at a time, each with one thread."""
    title: Annotated[str | None, option("TEXT")] = None
    """Title of the tables and the page."""
    json: bool = False
    """Print what comparison.json holds instead of tables."""


OPTION_NAMES = [
    field.name
    for field in dataclasses.fields(CompareOptions)
    if field.name not in ("config", "out", "methods", "scaling", "json", *PARTS)
]
"""Options that are keys of compare.toml, too."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    options = parse(CompareOptions, argv, prog="selfcorrect compare", about=ABOUT)
    config, folder = configured(options), output_folder(options.out)
    from selfcorrect_agents.cli.comparison_run import compare  # torch, which --help does not need

    return compare(config, folder, json=options.json)


def configured(options: CompareOptions) -> CompareConfig:
    """Return the comparison of the options: of their own, or of a file with the options' changes.

    Raises:
        UsageError: neither a file nor methods were given, or both; or an option that the file
            must have.
        ComparisonError: a value is invalid.
    """
    values = {name: getattr(options, name) for name in OPTION_NAMES}
    for part in PARTS:
        given_part = vars(getattr(options, part))
        values |= {f"{part}.{name}": value for name, value in given_part.items()}
    given = {name: value for name, value in values.items() if value is not None}
    if options.config is not None:
        return _changed(options.config, options, given)
    if not options.methods:
        raise UsageError(
            "Nothing to compare: give a compare.toml, or --methods base score …; see selfcorrect "
            "compare --help."
        )
    methods = _methods(options.methods)
    scaling = {"scaling": {}} if options.scaling else {}
    return config_of({**given, **methods, **scaling}, "command line")


def _changed(path: str, options: CompareOptions, given: Mapping[str, Any]) -> CompareConfig:
    """Return the comparison of a file, with the options that were given."""
    names = ("methods", "env", *ENV_OPTIONS)
    only_file = [name for name in names if getattr(options, name) is not None]
    if only_file:
        listed = ", ".join(f"--{name}" for name in only_file)
        raise UsageError(f"{listed} cannot be given with a file: change {path}.")
    config = read_config(path)
    if options.scaling is False:
        config = dataclasses.replace(config, scaling=None)
    elif options.scaling and config.scaling is None:
        raise UsageError(f"--scaling: add a table [scaling] to {path}.")
    model = {key: value for key, value in given.items() if key in MODEL_FIELDS}
    others = {key: value for key, value in given.items() if key not in MODEL_FIELDS}
    return dataclasses.replace(config, model={**config.model, **model}, **others)


def _methods(names: Sequence[str]) -> Mapping[str, Any]:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(
            f"--methods: {', '.join(sorted(twice))} is given twice; use a compare.toml to give a "
            "method several labels."
        )
    return {"methods": {name: {} for name in names}}
