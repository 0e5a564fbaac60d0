"""Names of models, as the command line takes them: a folder, a hub id, a file, or ``tiny``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, tiny_base
from selfcorrect_env import UnknownNameError


def load_policy(model: str | Path, *, device: str = "cpu") -> Policy:
    """Load the policy that ``model`` names.

    Args:
        model: a folder that ``save_pretrained`` wrote, a Hugging Face id, the path of a
            ``.gguf`` file, or ``tiny`` with options: ``tiny:seed=1,hidden_size=128``. A tiny
            base is pre-trained at its first use (under a minute, with a progress bar) and
            cached.
        device: where it is to run.

    Raises:
        OSError: there is no such model, or the hub cannot be reached.
        UnknownNameError: ``tiny`` was given an option that it does not have.
        ValueError: an option's value can't be read, the tokenizer has no chat template, or
            there is no such device.
    """
    name = str(model)
    _check_device(device)
    if is_tiny(name):
        model = tiny_base_with_progress(parse_tiny(name))
    return Policy.from_pretrained(model, device=device)


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch's two ways to say no
        reason = str(error).splitlines()[0]
        raise ValueError(f"Device {device!r} can't be used: {reason}") from error


def is_tiny(name: str) -> bool:
    """Whether a model's name is that of a tiny base, which is pre-trained here."""
    return name == "tiny" or name.startswith("tiny:")


def parse_tiny(name: str) -> TinyConfig:
    """Read ``tiny`` or ``tiny:option=value,…`` into a `TinyConfig`."""
    fields = {field.name: type(field.default) for field in dataclasses.fields(TinyConfig)}
    options = {}
    for pair in filter(None, name.removeprefix("tiny").removeprefix(":").split(",")):
        key, _, value = pair.partition("=")
        if key not in fields:
            raise UnknownNameError.of("option of the tiny model", key, fields)
        try:
            options[key] = fields[key](value)
        except ValueError:
            raise ValueError(
                f"The tiny model's {key} must be a number ({fields[key].__name__}), got {value!r}."
            ) from None
    return TinyConfig(**options)


def tiny_base_with_progress(config: TinyConfig) -> Path:
    """Return the folder of a tiny base model, showing a progress bar if it must be trained."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pre-training the tiny base model", total=config.steps, visible=False)
        return tiny_base(config, lambda step, loss: bar.update(task, completed=step, visible=True))
