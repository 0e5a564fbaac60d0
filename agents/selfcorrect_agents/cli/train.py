"""``selfcorrect train METHOD``: trains a model with one of the methods."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import transformers
import tyro

from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.config import flat
from selfcorrect_agents.training.method_lookup import find_method, trainable
from selfcorrect_agents.training.progress import Figures, accuracy_keys
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_env import SelfCorrectEnv, SelfCorrectError
from selfcorrect_env.cli import EnvOptions, UsageError, make_env, output_folder, parse

ABOUT = """\
Train a causal language model to correct itself, with one of the methods, on an environment's
training split. 'selfcorrect train METHOD --help' shows the method's own options.

The run's folder gets config.json, metrics.jsonl, TensorBoard files, episodes.jsonl, checkpoints
and, at the end, the trained model. Ctrl-C leaves a checkpoint; --resume goes on from it, to the
same result as if the run had never stopped. (Of our methods, sb3_ppo and sb3_a2c start again.)

Examples:
  selfcorrect train score --out runs/score
  selfcorrect train score --out runs/score --resume
  selfcorrect train multiturn_rl --beta-1 0.05 --seed 1 --out runs/rl
  selfcorrect train score --env SelfCorrect-GSM8K-v0 --path gsm8k_train.jsonl \\
      --model models/my-lm --learning-rate 5e-6 --max-new-tokens 512 --out runs/gsm8k
  selfcorrect eval score --model runs/score/model --env SelfCorrect-Arithmetic-v0 --n 1000
  tensorboard --logdir runs"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(EnvOptions):
    """What to train, on what, and where to put it."""

    env: str = "SelfCorrect-Arithmetic-v0"
    """The environment's id."""
    model: str = "tiny"
    """A folder, a Hugging Face id, a .gguf file, or "tiny[:seed=0,hidden_size=64,…]"."""
    out: str = "runs/train"
    """The run's folder."""
    resume: bool = False
    """Go on with the run that the folder holds."""
    device: str = "cpu"
    """Where the model runs: "cpu", "cuda", "cuda:1" …"""
    threads: int = 1
    """CPU threads of one process; for small models one is fastest."""
    episodes_every: int = 10
    """Write the episodes of every so many steps; 0 writes none."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}.")
        if self.episodes_every < 0:
            raise ValueError(f"episodes_every must be at least 0, got {self.episodes_every}.")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    if not argv or argv[0].startswith("-"):
        if any(word in ("-h", "--help") for word in argv):
            print(f"usage: selfcorrect train METHOD [OPTIONS]\n\n{ABOUT}\n\nMethods:")
            print("\n".join(f"  {name:<14}{line}" for name, line in trainable().items()))
            return 0
        raise UsageError(
            f"Which method? selfcorrect train METHOD. Methods: {', '.join(trainable())}."
        )
    method = find_method(argv[0])
    options, learning = _parse(argv[0], method, argv[1:])
    output_folder(options.out)  # before a model is loaded
    if options.resume and not (Path(options.out) / "config.json").exists():
        raise UsageError(f"{options.out} holds no run to resume; leave out --resume to start one.")
    torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()  # every checkpoint would show one
    env = _env(options)
    agent = method(_load(options))  # before the run's folder is made: it can fail
    run = _run_folder(options, _facts(argv[0], options, learning, env))
    try:
        history = agent.learn(env, learning, run=run, progress=True)  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        found = f"the newest checkpoint is in {run.checkpoints}"
        state = found if run.checkpoints.exists() else "no step was finished"
        print(
            f"\nselfcorrect: stopped; {state}. The same command with --resume goes on from there.",
            file=sys.stderr,
        )
        raise
    finally:
        run.close()
        env.close()
    print(summary(history))
    print(
        f"Model: {run.model}. Measure it: selfcorrect eval {argv[0]} --model {run.model} "
        f"--env {options.env}"
    )
    return 0


def _parse(name: str, method: Any, argv: list[str]) -> tuple[TrainOptions, Any]:
    unprefixed = tyro.conf.arg(name="")
    both = dataclasses.make_dataclass(
        "Options",
        [
            ("run", Annotated[TrainOptions, unprefixed]),
            ("learning", Annotated[method.Learning, tyro.conf.OmitArgPrefixes, unprefixed]),
        ],
        frozen=True,
    )
    try:
        parsed = parse(both, argv, prog=f"selfcorrect train {name}", about=ABOUT)
    except ValueError as error:  # a configuration refuses what can't be meant
        raise UsageError(str(error)) from error
    return parsed.run, parsed.learning


def _env(options: TrainOptions) -> SelfCorrectEnv:
    env = make_env(options.env, options, split="train").unwrapped
    if not isinstance(env, SelfCorrectEnv):
        raise UsageError(
            f"{options.env!r} is a {type(env).__name__}, which has no two attempts to train on; "
            "see selfcorrect list."
        )
    return env


def _run_folder(options: TrainOptions, facts: dict[str, Any]) -> RunFolder:
    try:
        return RunFolder(
            options.out, facts, resume=options.resume, episodes_every=options.episodes_every
        )
    except OSError as error:
        raise UsageError(f"Cannot write to --out {options.out!r}: {error}") from error


def _load(options: TrainOptions) -> Policy:
    try:
        return load_policy(options.model, device=options.device)
    except SelfCorrectError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot load model {options.model!r}: {error}") from error


def _facts(name: str, options: TrainOptions, learning: Any, env: SelfCorrectEnv) -> dict[str, Any]:
    """Return what determines the run's result; a resumed run must have the same."""
    problems = env.problems
    return {
        "method": name,
        "learning": flat(learning),
        "model": options.model,
        "env": options.env,
        "problem_set": problems.name,
        "split": problems.split,
        "fingerprint": problems.fingerprint,
        "verifier": env.verifier.name,
        "prompts": env.prompts.name,
        "attempts": env.attempts,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def summary(history: list[Figures]) -> str:
    """Return accuracies over the first and the last tenth of the steps, in a line each."""
    taken = [row for row in history if "train/skipped" not in row]
    skipped = len(history) - len(taken)
    note = f", {skipped} of them skipped because the verifier failed" if skipped else ""
    lines = [f"{len(history)} steps{note}; share of training episodes that were right:"]
    tenth = max(1, len(taken) // 10)
    for when, part in (("first", taken[:tenth]), ("last", taken[-tenth:])):
        if not part:
            continue
        shares = (
            f"{100 * sum(row[key] for row in part) / len(part):.1f}%"
            for key in accuracy_keys(part[0])
        )
        lines.append(f"  {when} {len(part)} steps: " + " → ".join(shares))
    return "\n".join(lines)
