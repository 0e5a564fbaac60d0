"""Content hashes of the problem sets and weights that a comparison names.

A name stays the same if its content changes: a file of problems is edited, a folder gets other
weights. So each cell stores these hashes, and results of different contents are never mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent
from selfcorrect_agents.comparison.plan.config import BASE_FIRST, CompareConfig
from selfcorrect_agents.comparison.plan.environments import make_env, make_training_env
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.loading import is_tiny, parse_tiny
from selfcorrect_agents.lm.pretrained import base_of_adapter
from selfcorrect_agents.lm.tiny import base_identity
from selfcorrect_env.evaluation import code_of, runner_for
from selfcorrect_env.problems import ProblemSet, read_trained_on, shared_problems

READ = (".safetensors", ".bin", ".gguf", ".json", ".jinja", ".model", ".txt", ".py")
"""Endings of the files of a model's folder that loading it may read: weights, configuration,
tokenizer, chat template."""

BLOCK = 1 << 22
"""Bytes read at a time."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Hashes of the problem sets and weights of one comparison, computed once."""

    train: str | None
    """Fingerprint of the problems that methods are trained on; None if none is trained."""
    test: str
    """Fingerprint of the whole problem set that they are measured on."""
    models: Mapping[str, str]
    """Name of a base model -> `weights_of` it."""
    train_code: Mapping[str, str]
    """`code_of_env` of where methods are trained; empty if none is trained."""
    test_code: Mapping[str, str]
    """`code_of_env` of where they are measured."""


def look_up(
    config: CompareConfig,
    models: Iterable[str],
    *,
    trained: Sequence[ComparedAgent],
    choosing: Mapping[str, ProblemSet],
) -> Contents:
    """Make both environments and read every model, each once.

    Args:
        config: the comparison.
        models: names of its base models, ``{seed}`` replaced.
        trained: its agents that are trained.
        choosing: label of a method -> the held-out problems by which its model is chosen.

    Raises:
        ComparisonError: an environment can't be made or trained in, a method is not defined for its
            number of attempts, a model can't be read, methods would be measured on problems that
            they or the base model are trained on, or by which their model is chosen, or there are
            fewer samples for scaling than attempts.
        EpisodeError: the test environment does not say what its problems are.
    """
    env = make_env(config.test)
    try:
        measured = runner_for(env).metadata
        _check_attempts(config, int(measured["attempts"]))
        train, train_code = _trained_on(config, env, trained) if trained else (None, {})
        names, tested = tuple(dict.fromkeys(models)), _measured(config, env)
        for label, held_out in choosing.items():
            _refuse_choice(label, held_out, tested)
        for name in names:
            _refuse_base_overlap(name, tested)
        test_code = code_of_env(env)
    finally:
        env.close()
    return Contents(
        train=train,
        train_code=train_code,
        test_code=test_code,
        test=str(measured["fingerprint"]),
        models={name: weights_of(name) for name in names},
    )


def _check_attempts(config: CompareConfig, attempts: int) -> None:
    if BASE_FIRST in config.decodings and attempts < 2:
        raise ComparisonError(
            f"decodings: with {BASE_FIRST} the base model makes the first attempt, so it needs at "
            f"least 2 attempts, and an episode has {attempts}: leave it out."
        )
    if config.scaling is not None and config.scaling.samples < attempts:
        raise ComparisonError(
            f"scaling: samples must be at least the {attempts} attempts of an episode, "
            f"got {config.scaling.samples}."
        )


def _trained_on(
    config: CompareConfig, test_env: gym.Env[Any, Any], agents: Sequence[ComparedAgent]
) -> tuple[str, dict[str, str]]:
    """Return the fingerprint of the training problems, and the environment's code.

    Problems that are measured on, too, are refused.
    """
    env = make_training_env(config.train)
    try:
        for agent in agents:
            agent.check_attempts(env.attempts)
        tested = _measured(config, test_env)
        if tested is not None:
            refuse_overlap(env.problems, tested)
        return env.problems.fingerprint, code_of_env(env)
    finally:
        env.close()


def code_of_env(env: gym.Env[Any, Any]) -> dict[str, str]:
    """Return name -> hash of what an environment is made of beside problems and this package.

    It is the code and the constants of its verifier, its prompts and its class
    (`selfcorrect_env.evaluation.code_of`). Whole packages are left out: a cell has their versions.
    """
    inner: Any = env.unwrapped
    things = getattr(inner, "verifier", None), getattr(inner, "prompts", None), type(inner)
    parts = {name: part for thing in things for name, part in code_of(thing).items()}
    return {name: part for name, part in sorted(parts.items()) if "." in name}


def _measured(config: CompareConfig, test_env: gym.Env[Any, Any]) -> ProblemSet | None:
    """Return the problems that are measured on, or None if the environment hides them."""
    tested = getattr(test_env.unwrapped, "problems", None)
    if not isinstance(tested, ProblemSet):
        return None
    return tested.head(min(config.n, len(tested)))


def _refuse_choice(label: str, held_out: ProblemSet, tested: ProblemSet | None) -> None:
    """Raise a ComparisonError if a method's model is chosen by problems that are measured on."""
    shared = [] if tested is None else shared_problems(held_out, tested)
    if tested is None or not shared:
        return
    raise ComparisonError(
        f"{label!r}: {len(shared):,} of the {len(tested):,} problems measured on ({tested.name}/"
        f"{tested.split}) also choose its model (keep_best or eval_patience, on {held_out.name}/"
        f"{held_out.split}), such as {_short(shared[0].prompt)}. Set eval_split to another split, "
        "'train' for training problems that are held out, or measure on other problems."
    )


def _refuse_base_overlap(model: str, tested: ProblemSet | None) -> None:
    """Raise a ComparisonError if the run that made a base model trained on tested problems."""
    record = None if tested is None else read_trained_on(model)
    if tested is None or record is None:
        return
    shared = record.shared(tested)
    if shared:
        raise ComparisonError(
            f"{len(shared):,} of the {len(tested):,} problems measured on ({tested.name}/"
            f"{tested.split}) are also in what the base model {model!r} was trained on "
            f"({'; '.join(record.problem_sets)}), such as {_short(shared[0].prompt)}. Measure on "
            "other problems, or start from a model that was not trained on them."
        )


def _short(statement: str) -> str:
    return f"{' '.join(statement.split())!r:.80}"


def refuse_overlap(trained: ProblemSet, tested: ProblemSet) -> None:
    """Raise a ComparisonError if a problem of ``tested`` is in ``trained``, too."""
    shared = shared_problems(trained, tested)
    if not shared:
        return
    raise ComparisonError(
        f"{len(shared):,} of the {len(tested):,} problems measured on ({tested.name}/"
        f"{tested.split}) are also trained on ({trained.name}/{trained.split}, {len(trained):,} "
        f"problems), such as {_short(shared[0].prompt)}. Give problems a folder with one file "
        "for each split (train.jsonl, test.jsonl), hold out a share of one file with holdout = "
        "0.2, or name other problems in train and test."
    )


def weights_of(model: str) -> str:
    """Return an identifier of a model's weights.

    - A folder or a file: a SHA-256 over everything in it that loading may read (`READ`), and for
      the folder of an adapter over the same of its base model.
    - ``tiny…``: a hash of its weights if they come with the package, otherwise of all that they
      depend on (`selfcorrect_agents.lm.tiny.base_identity`).
    - Anything else is an id of the Hugging Face hub, and returned unchanged: the files on the hub
      are not read.

    Raises:
        ComparisonError: a file can't be read.
    """
    if is_tiny(model):
        return base_identity(parse_tiny(model))
    path = Path(model).expanduser()
    if not path.exists():
        return model
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in READ and file.is_file())
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
            with file.open("rb") as content:
                while block := content.read(BLOCK):
                    digest.update(block)
        base = base_of_adapter(path)
    except OSError as error:
        raise ComparisonError(f"model {model!r} can't be read: {error}") from error
    if base is not None:
        digest.update(weights_of(base).encode())
    return f"sha256:{digest.hexdigest()[:16]}"
