"""What the names of a comparison stand for: problem sets and weights, by their content.

A name stays when what lies behind it changes: a file of problems is mended, a folder gets other
weights. So cells write down these values, and results of different ones are never mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selfcorrect_agents.comparison.plan.config import CompareConfig
from selfcorrect_agents.comparison.plan.environments import make_env, make_training_env
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.loading import is_tiny, parse_tiny
from selfcorrect_agents.lm.tiny import cache_key
from selfcorrect_env.evaluation import runner_for

READ = (".safetensors", ".bin", ".gguf", ".json", ".jinja", ".model", ".txt", ".py")
"""Endings of the files of a model's folder that loading it may read: weights, configuration,
tokenizer, chat template."""

BLOCK = 1 << 22
"""Bytes that are read at a time."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The contents behind the names of one comparison, looked up once."""

    train: str | None
    """Fingerprint of the problems that methods are trained on; None where none is trained."""
    test: str
    """Fingerprint of the whole problem set that they are measured on."""
    models: Mapping[str, str]
    """Each base model's name -> `weights_of` it."""


def look_up(config: CompareConfig, models: Iterable[str], *, trained: bool) -> Contents:
    """Make both environments and read every model, each once.

    Args:
        config: the comparison.
        models: names of its base models, ``{seed}`` replaced.
        trained: whether any method of it is trained.

    Raises:
        ComparisonError: an environment can't be made or trained in, or a model can't be read.
        EpisodeError: the environment to measure in does not say what its problems are.
    """
    train = None
    if trained:
        training_env = make_training_env(config.train)
        train = training_env.problems.fingerprint
        training_env.close()
    env = make_env(config.test)
    test = str(runner_for(env).metadata["fingerprint"])
    env.close()
    return Contents(
        train=train, test=test, models={name: weights_of(name) for name in dict.fromkeys(models)}
    )


def weights_of(model: str) -> str:
    """Return what tells the weights of one model from another's.

    - A folder or a file: a SHA-256 over everything of it that loading may read (`READ`).
    - ``tiny…``: its name in the cache, which holds a hash of all that the weights depend on.
    - Anything else is an id of the Hugging Face hub, and returned as it is: what the hub holds
      under it is not looked at.

    Raises:
        ComparisonError: a file can't be read.
    """
    if is_tiny(model):
        return cache_key(parse_tiny(model))
    path = Path(model)
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
    except OSError as error:
        raise ComparisonError(f"model {model!r} can't be read: {error}") from error
    return f"sha256:{digest.hexdigest()[:16]}"
