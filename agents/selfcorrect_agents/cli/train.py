"""``selfcorrect train METHOD``: trains a model with one of the methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from selfcorrect_agents.flat_config import from_flat
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.model_files import ADAPTER_FILE, find_model
from selfcorrect_agents.lm.token_caps import is_tiny
from selfcorrect_agents.training.method_lookup import learning_of, trainable
from selfcorrect_agents.training.presets import (
    ABOUT as PRESETS,
)
from selfcorrect_agents.training.presets import (
    default_preset,
    describe,
    preset,
    presets_of,
    with_preset_model,
)
from selfcorrect_agents.training.resuming import CHANGEABLE_OPTIONS, read_run_config
from selfcorrect_agents.training.run_folder import holds_run
from selfcorrect_env import SelfCorrectError
from selfcorrect_env.cli import EnvOptions, UsageError, output_folder, parse

ABOUT = """\
Train a causal language model to correct itself, with one of the methods, on an environment's
training split. 'selfcorrect train METHOD --help' shows the method's presets and options.

The option --preset sets what suits a kind of model; options that are given win over it. By default
it is 'tiny' for --model tiny, and 'one-gpu' for any other model.

The run's folder gets config.json, metrics.jsonl, TensorBoard files, curves.svg, episodes.jsonl,
checkpoints and, at the end, the trained model. Ctrl-C leaves a checkpoint; --resume continues from
it, to the same result as if the run had never stopped, and can ask for more steps. (Of our methods,
sb3_ppo and sb3_a2c start again.)

An episode that the verifier fails to judge is left out of the loss. If that is more than half of
the episodes in three steps in a row, training stops. It also stops where a number is not finite,
where the KL is above --max-kl, or where the disk is full; the message names the checkpoint to go on
from.

With --plan, no weights are loaded and nothing is trained. It prints how much memory and disk the
run will need, how steps will be cut to fit, and, if they don't, what would help. For another
machine: --device cuda --plan-memory 24GB.

Exit status: 0 done (or the plan fits); 1 training stopped (or the plan doesn't fit); 2 invalid
arguments.

Examples:
  selfcorrect train score --out runs/score
  selfcorrect train score --out runs/score --resume
  selfcorrect train multiturn_rl --beta-1 0.05 --seed 1 --out runs/rl
  selfcorrect train multiturn_rl --out runs/rl --resume --steps 800
  selfcorrect train score --eval-every 50 --keep-best --eval-patience 5 --out runs/best
  selfcorrect train multiturn_rl --schedule cosine --warmup 0.1 --trackers wandb --out runs/rl
  selfcorrect train score --env SelfCorrect-GSM8K-v0 --model models/my-lm --preset one-gpu \\
      --max-new-tokens 256 --out runs/gsm8k
  selfcorrect eval score --model runs/score/model --env SelfCorrect-Arithmetic-v0 --n 1000
  selfcorrect train score --model models/my-lm --device cuda --plan --plan-memory 24GB
  tensorboard --logdir runs"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(EnvOptions):
    """What to train, on what, and where to write it."""

    env: str = "SelfCorrect-Arithmetic-v0"
    """The environment's id."""
    preset: str | None = None
    """Settings for a kind of model; see above. By default 'tiny' for --model tiny, else
    'one-gpu'."""
    out: str = "runs/train"
    """The run's folder."""
    resume: bool = False
    """Resume the run in that folder; options that are not given keep the run's values."""
    threads: int = 1
    """CPU threads of one process; for small models one is fastest."""
    episodes_every: int = 10
    """Write the episodes of every N-th step; 0 writes none."""
    plan: bool = False
    """Print what the run will need, and whether it fits, instead of training; nothing is loaded."""
    plan_memory: str | None = None
    """Memory of the device that --plan is for, such as 24GB; by default what is free here."""
    json: bool = False
    """Print the outcome, or the plan, as one JSON object."""
    show_every: int = 0
    """Print an episode of every N-th step and write it to samples.txt; 0 shows none."""
    trackers: tuple[str, ...] = ("tensorboard",)
    """Where metrics are logged beside metrics.jsonl: tensorboard, wandb, trackio, mlflow. The
    last three have an extra of the same name: pip install 'selfcorrect-env[wandb]'."""
    model: Annotated[ModelConfig, tyro.conf.arg(name="")] = ModelConfig()
    """Which model is trained, and how it is loaded."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}.")
        if self.episodes_every < 0:
            raise ValueError(f"episodes_every must be at least 0, got {self.episodes_every}.")
        if self.show_every < 0:
            raise ValueError(f"show_every must be at least 0, got {self.show_every}.")
        if self.plan_memory is not None and not self.plan:
            raise ValueError("plan_memory is the memory of a plan: give --plan as well.")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    if not argv or argv[0].startswith("-"):
        return _help_without_method(argv)
    options, learning = _parse(argv[0], learning_of(argv[0]), argv[1:])
    if options.plan:
        from selfcorrect_agents.cli.training_plan import show_plan

        return show_plan(argv[0], options, learning)
    output_folder(options.out)  # before a model is loaded
    from selfcorrect_agents.cli.training_run import train  # torch, which --help does not need

    return train(argv[0], options, learning)


def _help_without_method(argv: Sequence[str]) -> int:
    if not any(word in ("-h", "--help") for word in argv):
        raise UsageError(
            f"Which method? selfcorrect train METHOD. Methods: {', '.join(trainable())}."
        )
    methods = trainable()
    width = max(map(len, methods), default=0)
    print(f"usage: selfcorrect train METHOD [OPTIONS]\n\n{ABOUT}\n\nMethods:")
    print("\n".join(f"  {name:<{width}}  {line}" for name, line in methods.items()))
    print("\nPresets:")
    print("\n".join(f"  {name:<{width}}  {line}" for name, line in PRESETS.items()))
    return 0


# -- options ---------------------------------------------------------------------------------
def _parse(name: str, learning: type[Any], argv: list[str]) -> tuple[TrainOptions, Any]:
    unprefixed = tyro.conf.arg(name="")
    own = Annotated[learning, tyro.conf.OmitArgPrefixes, unprefixed]
    both = dataclasses.make_dataclass(
        "Options",
        [("run", Annotated[TrainOptions, unprefixed]), ("learning", own)],
        frozen=True,
    )
    try:
        default = both(*_defaults(name, learning, argv))
    except ValueError as error:
        raise UsageError(str(error)) from error
    about = f"{ABOUT}\n\nPresets of {name}:\n{describe(learning)}"
    parsed: Any = parse(both, argv, prog=f"selfcorrect train {name}", about=about, default=default)
    options = parsed.run
    if options.model.lora.rank and not options.resume and _given(argv, "--lora.rank") is None:
        options = _without_second_adapter(options)
    return options, parsed.learning


def _without_second_adapter(options: TrainOptions) -> TrainOptions:
    """Return options without the preset's adapter if the model is an adapter on the hub."""
    model = options.model
    if is_tiny(model.model):
        return options
    try:
        found = find_model(model.model, model.revision)
    except OSError:  # loading says so
        return options
    if not (Path(found) / ADAPTER_FILE).is_file():
        return options
    lora = dataclasses.replace(model.lora, rank=0)
    return dataclasses.replace(options, model=dataclasses.replace(model, lora=lora))


def _defaults(method: str, learning: type[Any], argv: Sequence[str]) -> tuple[TrainOptions, Any]:
    """Return the options before those that are given: a preset's, or a resumed run's."""
    out = _given(argv, "--out") or TrainOptions.out
    if "--resume" in argv and "--help" not in argv:
        if not holds_run(out):
            raise UsageError(f"{out} holds no run to resume; leave out --resume to start one.")
        config = read_run_config(out)
        if config.get("method") != method:
            raise UsageError(
                f"{out} holds a run of {config.get('method')!r}, not of {method!r}; name another "
                "folder, or the run's method."
            )
        if "options" not in config:
            raise UsageError(
                f"{out} holds a run that was started from Python. Resume it there: call learn(...) "
                f"with the same arguments and run={str(out)!r}."
            )
        return _of_run(learning, config, argv)
    model = _given(argv, "--model") or ModelConfig.model
    name = _given(argv, "--preset") or default_preset(learning, model)
    if name not in presets_of(learning):
        known = ", ".join(presets_of(learning))
        raise UsageError(f"Unknown preset {name!r} of this method. Known: {known}.")
    options = with_preset_model(TrainOptions(preset=name), name, model)
    return options, preset(learning, name)


def _of_run(
    learning: type[Any], config: Mapping[str, Any], argv: Sequence[str]
) -> tuple[TrainOptions, Any]:
    def known(name: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        given = _given(argv, f"--{name.replace('_', '-')}") is not None
        return () if given else tuple(value)  # a repeated option is added to its default

    def fitted(cls: type[Any], values: Mapping[str, Any]) -> Any:
        return from_flat(cls, {name: known(name, value) for name, value in values.items()})

    try:
        options = {**config.get(CHANGEABLE_OPTIONS, {}), **config["options"]}
        return fitted(TrainOptions, options), fitted(learning, config["learning"])
    except (KeyError, TypeError, AttributeError, SelfCorrectError) as error:
        raise UsageError(f"config.json is not of a run of this method ({error}).") from error


def _given(argv: Sequence[str], flag: str) -> str | None:
    """Return the value of an option on the command line, None if it is not there."""
    found = None
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == flag:
            found = following
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found
