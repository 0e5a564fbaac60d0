"""Loading a policy by its name: a folder, a hub id, a file, or ``tiny``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from selfcorrect_agents.lm.allocator import return_freed_memory
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.model_files import ADAPTER_FILE, find_model
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.lm.progress_bars import no_progress_bars
from selfcorrect_agents.lm.tiny import TinyConfig, tiny_base
from selfcorrect_agents.lm.token_caps import is_tiny
from selfcorrect_env import UnknownNameError, is_quiet, progress_console


def load_policy(
    model: str | Path | ModelConfig, *, device: str | None = None, train: bool = False
) -> Policy:
    """Load the policy that ``model`` names.

    Args:
        model: a `ModelConfig`, or the name that its field ``model`` takes: a folder that
            ``save_pretrained`` wrote, a Hugging Face id, the path of a ``.gguf`` file, or ``tiny``
            with options: ``tiny:seed=1,hidden_size=128``. A tiny base that does not come with the
            package is pre-trained at its first use (about a minute, with a progress bar) and
            cached.
        device: where a model that is given by its name runs; by default on the CPU.
        train: whether it will be trained: then trained weights are in float32, and the process
            gives freed memory back to the system (`return_freed_memory`) unless the model is tiny.

    Raises:
        OSError: there is no such model, or the hub does not answer within seconds.
        UnknownNameError: ``tiny`` was given an option that it does not have.
        ValueError: an option's value is invalid, the tokenizer has no end-of-sequence token, or
            there is no such device.
    """
    if not isinstance(model, ModelConfig):
        model = ModelConfig(model=str(model), device=device or "cpu", dtype="float32")
    _check_device(model.device)
    if is_tiny(model.model):
        found = str(tiny_base_with_progress(parse_tiny(model.model)))
    else:
        found = find_model(model.model, model.revision)
        if (Path(found) / ADAPTER_FILE).is_file() and not Path(model.model).expanduser().exists():
            model = dataclasses.replace(model, revision=None)  # the adapter's; not that of its base
        if train:
            return_freed_memory()
    with no_progress_bars():
        return load_pretrained(dataclasses.replace(model, model=found), train=train)


def _check_device(device: str) -> None:
    if device == "auto":
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either
        reason = str(error).splitlines()[0]
        raise ValueError(f"Device {device!r} can't be used: {reason}") from error


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
    from rich.progress import Progress

    with Progress(console=progress_console(), transient=True, disable=is_quiet()) as bar:
        task = bar.add_task("pre-training the tiny base model", total=config.steps, visible=False)
        return tiny_base(config, lambda step, loss: bar.update(task, completed=step, visible=True))
