"""Whether a run can be resumed with other settings: what differs, and whether that matters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from selfcorrect_agents.training.config import Execution
from selfcorrect_agents.training.schedule import depends_on_length
from selfcorrect_env import CheckpointError

CHANGEABLE_OPTIONS = "changeable_options"
"""Key of config.json with the options that a resumed run may change."""
HARMLESS = {
    *(field.name for field in fields(Execution)),
    *(CHANGEABLE_OPTIONS, "activation_checkpointing"),
}
"""Settings that don't change a run's result."""
ADDED = {"optimizer": "adamw", "precision": "float32"}
"""Settings that runs of earlier versions lack, with the value that those had."""
UNRECORDED = {
    *("template", "adapters", "held_out_problems", "chat", "starting_weights", "verification"),
}
"""Settings that runs of earlier versions lack, whatever they had; they are then not compared."""
CHANGED = {
    "fingerprint": "problems have",
    "starting_weights": "base model has",
    "chat": "chat template or the tokenizer has",
    "held_out_problems": "held-out problems have",
}
"""Hashes of what a run is made of -> what to say where one differs."""
REMOVED = {"rows_per_forward"}
"""Fields of ``learning`` of earlier versions that changed memory use alone; they are ignored."""


def check_resumable(
    folder: Path, wanted: Mapping[str, Any], extendable: Sequence[str] = ()
) -> None:
    """Refuse to resume a run with settings that would change its result.

    Args:
        folder: the run folder, which has a config.json.
        wanted: what config.json would hold for the resumed run.
        extendable: fields of ``learning`` that may be larger than they were.

    Raises:
        CheckpointError: a setting differs (the message names the first, with both values), or
            config.json is damaged.
    """
    was, now = _settings(read_run_config(folder)), _settings(wanted)
    differing = [
        key
        for key in {**now, **was}
        if was.get(key, ADDED.get(key)) != now.get(key, ADDED.get(key))
        and not (key in UNRECORDED and key not in was)
    ]
    refused = [key for key in differing if key not in HARMLESS]
    grown = [key for key in refused if key in extendable and _is_larger(now[key], was.get(key))]
    refused = [key for key in refused if key not in grown]
    refused.sort(key=CHANGED.__contains__)  # a setting says more than a hash
    if not refused:
        return
    key = refused[0]
    others = f" (other differences: {', '.join(refused[1:])})" if refused[1:] else ""
    if key in extendable:
        advice = "A run can only be extended: give at least the value that it had"
    elif _is_larger(now.get(key), was.get(key)) and depends_on_length(
        was.get("schedule", "constant"), was.get("warmup", 0.0)
    ):
        advice = (
            "The learning rate depends on the number of steps (schedule, warmup), so this run "
            "can't be extended: use the same value"
        )
    elif key in ("torch", "transformers"):
        advice = f"Another version computes other numbers: install {key} {was.get(key)}"
    elif key in CHANGED:
        advice = f"The {CHANGED[key]} changed: restore what it was"
        if key == "starting_weights":
            advice += " (load a policy again that was trained in this process)"
    else:
        advice = "Use the same value"
    raise CheckpointError(
        f"{folder} can't be resumed: {key} was {was.get(key)!r}, now {now.get(key)!r}{others}. "
        f"{advice}, or name another folder."
    )


def read_run_config(folder: str | Path) -> dict[str, Any]:
    """Return what the config.json of a run folder holds.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no run: there is no {path}. Name a run's folder.")
    try:
        config = dict(json.loads(path.read_bytes()))
        learning = config.get("learning")
        if isinstance(learning, dict):
            config["learning"] = {k: v for k, v in learning.items() if k not in REMOVED}
        return config
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); the run can't be resumed.") from error


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run, those of its command and its method by their own names."""
    settings = {key: value for key, value in config.items() if key not in ("options", "learning")}
    for part in ("options", "learning"):
        values = config.get(part)
        settings |= values if isinstance(values, Mapping) else {}
    return settings


def _is_larger(now: Any, was: Any) -> bool:
    return isinstance(now, int) and isinstance(was, int) and now > was
