"""The token cap of a reply: its defaults, and the cap that a model was trained with."""

from __future__ import annotations

import json
import os
from pathlib import Path

TINY_TOKEN_CAP = 16
"""Token cap of the tiny models; their longest reply has fewer tokens."""
TOKEN_CAP = 512
"""Token cap of every other model, if nothing else is known."""

_PARENTS = 3  # a run keeps models in model/ and in checkpoints/step-000120/model/


def is_tiny(name: str) -> bool:
    """Whether a model's name is that of a tiny base, which is pre-trained here."""
    return name == "tiny" or name.startswith("tiny:")


def token_cap(model: str | Path) -> tuple[int, str]:
    """Return the token cap that a model is measured with by default, and where it comes from.

    It is the cap that the model was trained with, if it is in a run folder; else the default of
    the tiny models or of all others.

    Args:
        model: the model's name, as `ModelConfig` takes it.

    Returns:
        The cap, ≥ 1, and ``"as in training"`` or ``"default"``.
    """
    trained = trained_token_cap(model)
    if trained is not None:
        return trained, "as in training"
    return (TINY_TOKEN_CAP if is_tiny(str(model)) else TOKEN_CAP), "default"


def trained_token_cap(model: str | Path) -> int | None:
    """Return the token cap in the config.json of the run that made ``model``, None without one."""
    start = Path(os.path.expanduser(model))
    if is_tiny(str(model)) or not os.path.exists(start):
        return None
    for folder in start.resolve().parents[:_PARENTS]:
        cap = _cap_in(folder / "config.json")
        if cap is not None:
            return cap
    return None


def _cap_in(config_path: Path) -> int | None:
    try:
        config = json.loads(config_path.read_bytes())
        cap = config["learning"]["max_new_tokens"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not the config.json of a run
    return cap if isinstance(cap, int) and cap >= 1 else None
