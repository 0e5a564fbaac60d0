"""``selfcorrect train METHOD``: trains a model with one of the methods."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
import tyro

from selfcorrect_agents.cli.measure_command import measure_command
from selfcorrect_agents.errors import UnjudgedError
from selfcorrect_agents.flat_config import flat, from_flat
from selfcorrect_agents.lm.loading import load_policy, no_progress_bars
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.method_lookup import find_method, trainable
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
from selfcorrect_agents.training.progress import (
    CUT_OFF_LIMIT,
    MetricsRow,
    accuracy_keys,
    cut_off,
    cut_off_warning,
)
from selfcorrect_agents.training.resuming import read_run_config
from selfcorrect_agents.training.run_folder import RunFolder, holds_run, read_metrics
from selfcorrect_agents.training.saving import save_trained
from selfcorrect_env import SelfCorrectError, TrainingEnv, training_env
from selfcorrect_env.cli import EnvOptions, UsageError, make_env, output_folder, parse

ABOUT = """\
Train a causal language model to correct itself, with one of the methods, on an environment's
training split. 'selfcorrect train METHOD --help' shows the method's presets and options.

--preset sets what suits a kind of model; options that are given win over it. By default it is
'tiny' for --model tiny, and 'one-gpu' for any other model.

The run's folder gets config.json, metrics.jsonl, TensorBoard files, episodes.jsonl, checkpoints
and, at the end, the trained model. Ctrl-C leaves a checkpoint; --resume continues from it, to the
same result as if the run had never stopped, and can ask for more steps. (Of our methods, sb3_ppo
and sb3_a2c start again.)

An episode that the verifier fails to judge is left out of the loss. If that is more than half of
the episodes in three steps in a row, training stops.

Exit status: 0 done; 1 stopped because the verifier failed; 2 invalid arguments.

Examples:
  selfcorrect train score --out runs/score
  selfcorrect train score --out runs/score --resume
  selfcorrect train multiturn_rl --beta-1 0.05 --seed 1 --out runs/rl
  selfcorrect train multiturn_rl --out runs/rl --resume --steps 800
  selfcorrect train score --env SelfCorrect-GSM8K-v0 --model models/my-lm --preset one-gpu \\
      --max-new-tokens 256 --out runs/gsm8k
  selfcorrect eval score --model runs/score/model --env SelfCorrect-Arithmetic-v0 --n 1000
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
    model: Annotated[ModelConfig, tyro.conf.arg(name="")] = ModelConfig()
    """Which model is trained, and how it is loaded."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}.")
        if self.episodes_every < 0:
            raise ValueError(f"episodes_every must be at least 0, got {self.episodes_every}.")


NOT_OF_THE_RUN = ("out", "resume", "threads", "episodes_every", "device", "attention")
"""Options that don't change a run's result; config.json doesn't hold them."""


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    if not argv or argv[0].startswith("-"):
        return _help_without_method(argv)
    name, method = argv[0], find_method(argv[0])
    options, learning = _parse(name, method, argv[1:])
    output_folder(options.out)  # before a model is loaded
    torch.set_num_threads(options.threads)
    env = _env(options)
    policy = _load(options)  # before the run's folder is checked: it can fail
    agent: Any = method(policy)
    run = _run_folder(name, options, learning, env)
    try:
        with no_progress_bars():
            history = agent.learn(env, learning, run=run, progress=True)
            save_trained(agent, policy, run)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; {_state(run)}", file=sys.stderr)
        raise
    except UnjudgedError as error:
        print(f"selfcorrect: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    finally:
        run.close()
    history = history or _logged(run)
    print(summary(history))
    command = measure_command(name, options, str(run.model), learning)
    print(f"Model: {run.model}. Measure it on other problems, greedily, with the same token cap:")
    print(f"  {command}")
    return 0


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
def _parse(name: str, method: Any, argv: list[str]) -> tuple[TrainOptions, Any]:
    unprefixed = tyro.conf.arg(name="")
    learning = Annotated[method.Learning, tyro.conf.OmitArgPrefixes, unprefixed]
    both = dataclasses.make_dataclass(
        "Options",
        [("run", Annotated[TrainOptions, unprefixed]), ("learning", learning)],
        frozen=True,
    )
    try:
        default = both(*_defaults(name, method.Learning, argv))
    except ValueError as error:
        raise UsageError(str(error)) from error
    about = f"{ABOUT}\n\nPresets of {name}:\n{describe(method.Learning)}"
    parsed: Any = parse(both, argv, prog=f"selfcorrect train {name}", about=about, default=default)
    return parsed.run, parsed.learning


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
        return _of_run(learning, config)
    model = _given(argv, "--model") or ModelConfig.model
    name = _given(argv, "--preset") or default_preset(learning, model)
    if name not in presets_of(learning):
        known = ", ".join(presets_of(learning))
        raise UsageError(f"Unknown preset {name!r} of this method. Known: {known}.")
    options = with_preset_model(TrainOptions(preset=name), name, model)
    return options, preset(learning, name)


def _of_run(learning: type[Any], config: Mapping[str, Any]) -> tuple[TrainOptions, Any]:
    def fitted(cls: type[Any], values: Mapping[str, Any]) -> Any:
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return from_flat(cls, known)

    try:
        return fitted(TrainOptions, config["options"]), fitted(learning, config["learning"])
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


# -- what is trained -------------------------------------------------------------------------
def _env(options: TrainOptions) -> TrainingEnv:
    try:
        return training_env(make_env(options.env, options, split="train"))
    except TypeError as error:
        raise UsageError(f"{options.env!r} can't be trained on: {error}") from error


def _load(options: TrainOptions) -> Policy:
    try:
        return load_policy(options.model, train=True)
    except SelfCorrectError:
        raise
    except (ImportError, OSError, ValueError) as error:
        text = str(error).strip().partition("\n")[0]
        raise UsageError(f"Cannot load model {options.model.model!r}: {text}") from error


def _run_folder(name: str, options: TrainOptions, learning: Any, env: TrainingEnv) -> RunFolder:
    given = {key: value for key, value in flat(options).items() if key not in NOT_OF_THE_RUN}
    try:
        return RunFolder.of(
            options.out,
            name,
            learning,
            env,
            model=options.model.model,
            metadata={"options": given},
            resume=options.resume,
            episodes_every=options.episodes_every,
        )
    except OSError as error:
        raise UsageError(f"Cannot write to --out {options.out!r}: {error}") from error


# -- what is said ----------------------------------------------------------------------------
def _state(run: RunFolder) -> str:
    if not holds_run(run.path):
        return "no step was finished, and nothing was written."
    newest = f"the newest checkpoint is in {run.checkpoints}"
    found = newest if run.checkpoints.exists() else "no checkpoint was written"
    return f"{found}. The same command with --resume continues."


def _logged(run: RunFolder) -> list[MetricsRow]:
    path = run.path / "metrics.jsonl"
    return read_metrics(path) if path.exists() else []


def summary(history: Sequence[MetricsRow]) -> str:
    """Return accuracies over the first and the last tenth of the steps, in a line each."""
    taken = [row for row in history if "train/skipped" not in row]
    skipped = len(history) - len(taken)
    note = f", {skipped} of them skipped because the verifier failed" if skipped else ""
    if not any(accuracy_keys(row) for row in taken):
        return f"{len(history)} steps{note}; no accuracies were logged."
    lines = [f"{len(history)} steps{note}; share of training episodes that were right:"]
    tenth = max(1, len(taken) // 10)
    for when, part in (("first", taken[:tenth]), ("last", taken[-tenth:])):
        keys = accuracy_keys(part[0])
        shares = (f"{100 * sum(row[key] for row in part) / len(part):.1f}%" for key in keys)
        lines.append(f"  {when} {len(part)} step{'s' * (len(part) > 1)}: " + " → ".join(shares))
    cut = sum(map(cut_off, taken)) / len(taken)
    if cut > CUT_OFF_LIMIT:
        lines.append(f"Warning: {cut_off_warning(cut)}")
    return "\n".join(lines)
