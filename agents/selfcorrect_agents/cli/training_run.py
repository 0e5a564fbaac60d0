"""A training run from the command line: loads the model, trains it, and says what came out."""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from selfcorrect_agents.cli.measure_command import measure_command
from selfcorrect_agents.errors import DiskError, DivergenceError, UnjudgedError
from selfcorrect_agents.flat_config import flat
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.config import Evaluation
from selfcorrect_agents.training.failures import explained
from selfcorrect_agents.training.method_lookup import find_method
from selfcorrect_agents.training.progress import (
    CUT_OFF_LIMIT,
    MetricsRow,
    accuracy_keys,
    cut_off,
    cut_off_warning,
)
from selfcorrect_agents.training.resuming import CHANGEABLE_OPTIONS
from selfcorrect_agents.training.run_folder import (
    BEST,
    RunFolder,
    check_no_run,
    holds_run,
    read_metrics,
)
from selfcorrect_agents.training.saving import save_trained
from selfcorrect_env import (
    ProblemSetError,
    ProblemSetWarning,
    SelfCorrectError,
    TrainingEnv,
    UnknownNameError,
    training_env,
)
from selfcorrect_env.cli import UsageError, env_has_splits, make_env, note, print_json
from selfcorrect_env.problems import shared_problems

if TYPE_CHECKING:
    from selfcorrect_agents.cli.train import TrainOptions

OF_A_CALL = ("out", "resume", "plan", "plan_memory", "json")
"""Options of one call of the command; config.json doesn't hold them."""
CHANGEABLE = (
    *("threads", "episodes_every", "show_every", "trackers", "device", "attention"),
    "activation_checkpointing",
)
"""Options that don't change a run's result; a call that resumes the run may change them."""


def train(name: str, options: TrainOptions, learning: Any) -> int:
    """Train a method and print what it learned; returns the exit status.

    Args:
        name: the method's name.
        options: what to train, on what, and where to write it.
        learning: the method's configuration.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says how to resume.
        SelfCorrectError: the run can't be started as asked.
    """
    method = find_method(name)
    torch.set_num_threads(options.threads)
    if not options.resume:
        check_no_run(options.out)  # before a model is loaded
    env = environment(options)
    policy = _load(options)  # before the run's folder is checked: it can fail
    agent: Any = method(policy)
    apart = _held_out(options, learning)
    more = {} if apart is None else {"held_out": apart}
    run = _run_folder(name, options, learning, env, apart, policy)
    try:
        history = agent.learn(env, learning, run=run, progress=True, **more)
        with explained(lambda: len(history or ()), run.checkpoints):
            save_trained(agent, policy, run)
    except KeyboardInterrupt:
        print(f"\nselfcorrect: stopped; {_state(run)}", file=sys.stderr)
        raise
    except (UnjudgedError, DivergenceError, DiskError) as error:
        print(f"selfcorrect: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    finally:
        run.close()
    history = history or _logged(run)
    others = _has_other_problems(options, env)
    command = measure_command(name, options, str(run.model), learning, split=others)
    if options.json:
        ended = {"model": str(run.model), "best": _best(run), "measure": command}
        print_json({"method": name, **outcome(history), **ended})
        return 0
    print(summary(history))
    best = _best(run)
    if best is not None:
        print(f"The model is that of step {best['step']}: {best['metric']} {best['value']:.3f}.")
    on = "other problems" if others else "the problems of its training (there are no others)"
    note(f"Model: {run.model}. Measure it on {on}, greedily, with the same token cap:")
    note(f"  {command}")
    return 0


# -- what is trained -------------------------------------------------------------------------
def environment(options: TrainOptions) -> TrainingEnv:
    """Return the environment that is trained on; raises a `UsageError` if it can't be."""
    try:
        return training_env(make_env(options.env, options, split="train"))
    except TypeError as error:
        raise UsageError(f"{options.env!r} can't be trained on: {error}") from error


def _held_out(options: TrainOptions, learning: Any) -> TrainingEnv | None:
    """Return the environment of the evaluations in the course of training, if it is another."""
    how = getattr(learning, "evaluation", None)
    if not isinstance(how, Evaluation) or not how.of_another_split:
        return None
    # `size` counts the training problems, as in `Evaluation.held_out_options`
    others = tuple(pair for pair in options.option if pair.partition("=")[0] != "size")
    of_split = dataclasses.replace(options, split=how.eval_split, option=others)
    try:
        return training_env(make_env(options.env, of_split))
    except (UsageError, UnknownNameError) as error:
        raise UsageError(
            f"{str(error).rstrip('.')}. --eval-every needs held-out problems: --eval-split train "
            "holds out training problems."
        ) from error


def _has_other_problems(options: TrainOptions, env: TrainingEnv) -> bool:
    """Whether the split "test" has problems that are not trained on; one file is every split."""
    if not env_has_splits(options.env, options):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ProblemSetWarning)
            of_test = dataclasses.replace(options, split="test")
            test = training_env(make_env(options.env, of_test))
    except (UsageError, ProblemSetError):
        return False
    return len(shared_problems(env.problems, test.problems)) < len(test.problems)


def _load(options: TrainOptions) -> Policy:
    try:
        return load_policy(options.model, train=True)
    except SelfCorrectError:
        raise
    except (ImportError, OSError, ValueError) as error:
        text = str(error).strip().partition("\n")[0]
        raise UsageError(f"Cannot load model {options.model.model!r}: {text}") from error


def _run_folder(
    name: str,
    options: TrainOptions,
    learning: Any,
    env: TrainingEnv,
    apart: TrainingEnv | None,
    policy: Policy,
) -> RunFolder:
    given = {key: value for key, value in flat(options).items() if key not in OF_A_CALL}
    metadata = {
        "options": {key: value for key, value in given.items() if key not in CHANGEABLE},
        CHANGEABLE_OPTIONS: {key: given[key] for key in CHANGEABLE},
        "precision": policy.precision,
        "starting_weights": policy.fingerprint(),  # they are the reference as well
        "chat": policy.chat.fingerprint(),
        "held_out_problems": apart and apart.problems.fingerprint,
    }
    try:
        return RunFolder.of(
            options.out,
            name,
            learning,
            env,
            model=options.model.model,
            metadata=metadata,
            resume=options.resume,
            episodes_every=options.episodes_every,
            show_every=options.show_every,
            trackers=options.trackers,
        )
    except OSError as error:
        raise UsageError(f"Cannot write to --out {options.out!r}: {error}") from error


# -- what is said ----------------------------------------------------------------------------
def _state(run: RunFolder) -> str:
    if not holds_run(run.path):
        return "no step was finished, and nothing was written."
    if not run.checkpoints.exists():
        return "no checkpoint was written. The same command with --resume starts again."
    newest = f"the newest checkpoint is in {run.checkpoints}"
    return f"{newest}. The same command with --resume continues."


def _logged(run: RunFolder) -> list[MetricsRow]:
    path = run.path / "metrics.jsonl"
    return read_metrics(path) if path.exists() else []


def _best(run: RunFolder) -> dict[str, Any] | None:
    path = run.path / BEST
    return json.loads(path.read_bytes()) if path.exists() else None


def outcome(history: Sequence[MetricsRow]) -> dict[str, Any]:
    """Return the numbers of `summary`: steps, and shares in [0, 1]; an empty list if not logged."""
    taken = [row for row in history if "train/skipped" not in row]
    tenth = max(1, len(taken) // 10)
    return {
        "steps": len(history),
        "skipped": len(history) - len(taken),
        "first_accuracy": _accuracy(taken[:tenth]),
        "last_accuracy": _accuracy(taken[-tenth:]),
        "cut_off": sum(map(cut_off, taken)) / len(taken) if taken else None,
    }


def _accuracy(rows: Sequence[MetricsRow]) -> list[float]:
    """Return the mean accuracy of each attempt over steps that logged it."""
    logged = [row for row in rows if accuracy_keys(row)]
    keys = accuracy_keys(max(logged, key=lambda row: len(accuracy_keys(row)))) if logged else []
    values = ([row[key] for row in logged if key in row] for key in keys)
    return [sum(of_turn) / len(of_turn) for of_turn in values]


def summary(history: Sequence[MetricsRow]) -> str:
    """Return accuracies over the first and the last tenth of the steps, in a line each."""
    taken = [row for row in history if "train/skipped" not in row]
    skipped = len(history) - len(taken)
    steps = f"{len(history)} step{'s' * (len(history) != 1)}"
    left_out = f", {skipped} of them skipped because the verifier failed" if skipped else ""
    if not any(accuracy_keys(row) for row in taken):
        return f"{steps}{left_out}; no accuracies were logged."
    lines = [f"{steps}{left_out}; share of training episodes that were right:"]
    tenth = max(1, len(taken) // 10)
    for when, part in (("first", taken[:tenth]), ("last", taken[-tenth:])):
        shares = (f"{100 * share:.1f}%" for share in _accuracy(part))
        lines.append(f"  {when} {len(part)} step{'s' * (len(part) > 1)}: " + " → ".join(shares))
    cut = sum(map(cut_off, taken)) / len(taken)
    if cut > CUT_OFF_LIMIT:
        lines.append(f"Warning: {cut_off_warning(cut)}")
    return "\n".join(lines)
