"""Weights of tiny bases that come with the package: the same model on every processor.

Pre-training is chaotic in the last bit: with other vector instructions or another version of torch,
the same seed gives another model. The bases of the published tables are therefore stored, so that
a name such as ``tiny:seed=2`` means the same weights everywhere.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_model, save_model

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

FOLDER = Path(__file__).with_name("bases")
"""The folder of the weights: ``<name of the base>.safetensors``, float16."""


def shipped_weights(name: str) -> Path | None:
    """Return the file of the base of that name (`cache.base_name`), or None if it has none."""
    path = FOLDER / f"{name}.safetensors"
    return path if path.is_file() else None


def load_shipped(model: LlamaForCausalLM, weights: Path) -> None:
    """Fill a model with stored weights, in its own dtype."""
    load_model(model, str(weights))


def store(model: LlamaForCausalLM, weights: Path) -> None:
    """Write a model's weights in float16, which holds them exactly (`pretrain` rounds them).

    The model is converted in place.
    """
    weights.parent.mkdir(parents=True, exist_ok=True)
    save_model(model.half(), str(weights))
    weights.chmod(0o644)  # safetensors lets the owner alone read it


def digest(weights: Path) -> str:
    """Return the SHA-256 of a file of weights, 16 hexadecimal digits."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
