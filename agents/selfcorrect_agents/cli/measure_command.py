"""The command that measures what was trained, on the same environment and with the same cap."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from selfcorrect_agents.flat_config import flat
from selfcorrect_env.cli import EnvOptions


def measure_command(method: str, options: Any, model: str, learning: Any) -> str:
    """Return a ``selfcorrect eval`` command for a trained model, quoted for a shell.

    Args:
        method: the method's name.
        options: the `TrainOptions` of the run.
        model: where the trained model is.
        learning: the configuration of the method.
    """
    words = ["selfcorrect", "eval", method, "--model", model, "--env", options.env]
    for field in dataclasses.fields(EnvOptions):
        value = getattr(options, field.name)
        if field.name == "split" or value == field.default:
            continue
        flag = "--" + field.name.replace("_", "-")
        for each in value if isinstance(value, tuple) else (value,):
            words += [flag, str(each)]
    words += ["--split", "test"]
    cap = flat(learning).get("max_new_tokens")
    if cap is not None:
        words += ["--max-new-tokens", str(cap)]
    return shlex.join([*words, "--temperature", "0"])
