"""``selfcorrect train METHOD``: trains a model with one of the methods."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated, Any

import torch
import transformers
import tyro
from selfcorrect_env import SelfCorrectEnv, SelfCorrectError
from selfcorrect_env.cli import UsageError
from selfcorrect_env.commands.making import EnvOptions, make_env, parse

from selfcorrect_agents.logging import RunFolder
from selfcorrect_agents.methods import find_method, trainable
from selfcorrect_agents.models import load_policy
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.training import Figures

ABOUT = """\
Train a causal language model to correct itself, with one of the methods, on an environment's
training split. 'selfcorrect train METHOD --help' shows the method's own options.

The run's folder gets config.json, metrics.jsonl, TensorBoard files, episodes.jsonl, checkpoints
and, at the end, the trained model. Ctrl-C leaves a checkpoint; --resume goes on from it, to the
same result as if the run had never stopped.

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
    torch.set_num_threads(options.threads)
    if options.split is None:
        options = dataclasses.replace(options, split="train")
    env = make_env(options.env, options)
    run = RunFolder(
        options.out,
        _facts(argv[0], options, learning, env.unwrapped),
        resume=options.resume,
        episodes_every=options.episodes_every,
    )
    try:
        agent = method(_load(options))
        history = agent.learn(env.unwrapped, learning, run=run, progress=True)  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        print(
            f"\nselfcorrect: stopped; the newest checkpoint is in {run.checkpoints}. "
            "The same command with --resume goes on from it.",
            file=sys.stderr,
        )
        raise
    finally:
        run.close()
        env.close()
    print(_summary(history))
    print(f"Model: {run.model}. Measure it: selfcorrect eval {argv[0]} --model {run.model} "
          f"--env {options.env}")
    return 0


def _parse(name: str, method: Any, argv: list[str]) -> tuple[TrainOptions, Any]:
    flat = tyro.conf.arg(name="")
    both = dataclasses.make_dataclass(
        "Options",
        [("run", Annotated[TrainOptions, flat]), ("learning", Annotated[method.Learning, flat])],
        frozen=True,
    )
    try:
        parsed = parse(both, argv, prog=f"selfcorrect train {name}", about=ABOUT)
    except ValueError as error:  # a configuration refuses what can't be meant
        raise UsageError(str(error)) from error
    return parsed.run, parsed.learning


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
        "learning": dataclasses.asdict(learning),
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


def _summary(history: list[Figures]) -> str:
    """Return accuracies over the first and the last tenth of the steps, in a line each."""
    tenth = max(1, len(history) // 10)
    lines = [f"{len(history)} steps; share of training episodes that were right:"]
    for when, part in (("first", history[:tenth]), ("last", history[-tenth:])):
        turns = sorted(key for key in part[0] if key.endswith("/accuracy"))
        shares = (f"{100 * sum(row[key] for row in part) / tenth:.1f}%" for key in turns)
        lines.append(f"  {when} {tenth} steps: " + " → ".join(shares))
    return "\n".join(lines)
