"""The cache of tiny base models."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch

from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import corpus
from selfcorrect_agents.lm.tiny.model import CHAT_TEMPLATE
from selfcorrect_agents.lm.tiny.pretrain import pretrain

RECIPE = 2
"""Version of the pre-training procedure, part of the cache key: increase it on any change."""


def cache_folder() -> Path:
    """Return the folder of the cache: ``$SELFCORRECT_CACHE``, or ``~/.cache/selfcorrect-env``."""
    return Path(os.environ.get("SELFCORRECT_CACHE", "~/.cache/selfcorrect-env")).expanduser()


def cache_key(config: TinyConfig) -> str:
    """Return the name of a model in the cache, with a hash of all that its weights depend on."""
    identity = {
        **asdict(config),
        "recipe": RECIPE,
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "template": CHAT_TEMPLATE,
        "corpus": corpus(config, 64).texts,  # prompts, problems and their random streams
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    return f"tiny-{config.task}-h{config.hidden_size}-l{config.layers}-s{config.seed}-{digest}"


def tiny_base(config: TinyConfig, on_step: Callable[[int, float], None] | None = None) -> Path:
    """Return the folder of the base model of ``config``; pre-train it if it is not in the cache.

    ``AutoModelForCausalLM.from_pretrained`` can load the folder. It is written atomically, so an
    interrupted or concurrent call leaves no incomplete model.
    """
    folder = cache_folder() / cache_key(config)
    if (folder / "config.json").is_file():
        return folder
    model, tokenizer = pretrain(config, on_step)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as written:
        made = Path(written) / "model"
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        (made / "tiny.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
        try:
            made.rename(folder)
        except OSError:  # another process has written the same model
            if not (folder / "config.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
    return folder
