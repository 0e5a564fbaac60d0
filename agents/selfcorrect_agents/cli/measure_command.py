"""The command that measures what was trained, on the same environment and with the same cap."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from selfcorrect_agents.flat_config import flat
from selfcorrect_env.cli import EnvOptions


def measure_command(
    method: str, options: Any, model: str, learning: Any, *, split: bool = True
) -> str:
    """Return a ``selfcorrect eval`` command for a trained model, quoted for a shell.

    It names every option of the environment and of the chat template that is not the default.

    Args:
        method: the method's name.
        options: the `TrainOptions` of the run.
        model: where the trained model is.
        learning: the configuration of the method.
        split: whether the problems have a split "test"; a set without splits is measured whole.
    """
    words = ["selfcorrect", "eval", method, "--model", model, "--env", options.env]
    words += _changed(EnvOptions(), options, "", without=("split",))
    template = options.model.template
    words += _changed(type(template)(), template, "template.")
    words += ["--split", "test"] if split else []
    cap = flat(learning).get("max_new_tokens")
    if cap is not None:
        words += ["--max-new-tokens", str(cap)]
    return shlex.join([*words, "--temperature", "0"])


def _changed(default: Any, options: Any, prefix: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return the flags and values of the fields of ``default`` that ``options`` changes."""
    words: list[str] = []
    for field in dataclasses.fields(default):
        value = getattr(options, field.name)
        if field.name in without or value == getattr(default, field.name):
            continue
        flag = f"--{prefix}{field.name.replace('_', '-')}"
        for each in value if isinstance(value, tuple) else (value,):
            words += [flag, str(each)]
    return words
