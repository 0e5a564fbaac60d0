"""The tiny base models: those that come with the package, and the cache of all others."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from selfcorrect_agents.lm.progress_bars import no_progress_bars
from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora import corpus
from selfcorrect_agents.lm.tiny.model import CHAT_TEMPLATE, build_model, build_tokenizer
from selfcorrect_agents.lm.tiny.pretrain import pretrain
from selfcorrect_agents.lm.tiny.shipped import digest, load_shipped, shipped_weights
from selfcorrect_env import cache_folder

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

RECIPE = 3
"""Version of the pre-training procedure, part of a base's name: increase it on any change."""


def base_name(config: TinyConfig) -> str:
    """Return the name of a base, with a hash of its configuration, corpus and procedure.

    Of the configuration, the hash has what differs from the defaults: a new field with a default
    that changes nothing does not rename the bases.
    """
    default = asdict(TinyConfig())
    identity = {
        **{field: value for field, value in asdict(config).items() if value != default[field]},
        "recipe": RECIPE,
        "template": CHAT_TEMPLATE,
        "corpus": corpus(config, 64).texts,  # prompts, problems and their random streams
    }
    size = f"h{config.hidden_size}-l{config.layers}"
    return f"tiny-{config.task}-{size}-s{config.seed}-{_short_hash(identity)}"


def base_identity(config: TinyConfig) -> str:
    """Return what identifies a base's weights.

    It is ``sha256:`` and the hash of the weights if they come with the package. Otherwise it is a
    name with a hash of all that pre-training depends on: the versions of torch and transformers and
    the processor's vector instructions as well.
    """
    name = base_name(config)
    weights = shipped_weights(name)
    if weights:
        return f"sha256:{digest(weights)}"
    made_by = {
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    return f"{name}-{_short_hash(made_by)}"


def tiny_base(config: TinyConfig, on_step: Callable[[int, float], None] | None = None) -> Path:
    """Return the folder of the base model of ``config``.

    ``AutoModelForCausalLM.from_pretrained`` can load the folder. It is in the cache, made at the
    first call: from the weights that come with the package, or by pre-training. It is written
    atomically, so an interrupted or concurrent call leaves no incomplete model.

    Args:
        config: which base.
        on_step: called with the step and its loss after each step of pre-training.
    """
    folder = cache_folder() / cache_key(config)
    if (folder / "config.json").is_file():
        return folder
    model, tokenizer = _make(config, on_step)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as written:
        made = Path(written) / "model"
        with no_progress_bars():
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


def cache_key(config: TinyConfig) -> str:
    """Return the name of a base's folder in the cache."""
    made_of = base_identity(config), version("transformers")  # the latter writes the folder
    return f"{base_name(config)}-{_short_hash(made_of)}"


def _make(
    config: TinyConfig, on_step: Callable[[int, float], None] | None
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    weights = shipped_weights(base_name(config))
    if not weights:
        return pretrain(config, on_step)
    tokenizer = build_tokenizer(config.task)
    model = build_model(config, tokenizer)
    load_shipped(model, weights)
    return model, tokenizer


def _short_hash(values: object) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
