"""``selfcorrect train METHOD … --plan``: what the run will need, before anything is loaded."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from selfcorrect_agents.cli.training_run import environment
from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.free_memory import free_memory
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.model_files import ADAPTER_FILE, find_model
from selfcorrect_agents.lm.pretrained import device_of, dtype_of
from selfcorrect_agents.lm.shapes import ModelShape, read_shape, read_tokenizer
from selfcorrect_agents.lm.token_caps import is_tiny
from selfcorrect_agents.training.memory_plan import Plan, Work, computed_share, plan
from selfcorrect_agents.training.memory_split import prompt_tokens, read_tokens
from selfcorrect_agents.training.method_lookup import find_method
from selfcorrect_env import SelfCorrectError, TrainingEnv
from selfcorrect_env.cli import UsageError, print_json

if TYPE_CHECKING:
    from selfcorrect_agents.cli.train import TrainOptions

UNITS = {letter: 1000**power for power, letter in enumerate(("", "K", "M", "G", "T"))}
BINARY_UNITS = {letter: 1024**power for power, letter in enumerate(UNITS)}

PARTS = {
    "process": "Python and its libraries",
    "weights": "weights",
    "reference": "reference",
    "optimizer": "optimizer's state",
    "casts": "trained weights in bfloat16",
    "copies": "copy of the best weights of a fit",
    "cache": "keys and values of the rollout",
    "sampling": "logits of the rollout",
    "gradients": "gradients",
    "activations": "activations of a micro-batch",
    "layer": "one layer's work",
    "logits": "chunk of logits",
}
"""Part of a `Plan` -> how it is printed."""


def show_plan(name: str, options: TrainOptions, learning: Any) -> int:
    """Print the plan of a run; returns 0 if it fits, 1 if it doesn't.

    Args:
        name: the method's name.
        options: ``plan_memory`` is the memory of the device; by default what is free now.
        learning: the method's configuration.

    Raises:
        UsageError: there is no such model, or the method's memory can't be planned.
        LearningError: the method is not defined for the environment's attempts.
    """
    if not hasattr(learning, "execution"):
        raise UsageError("--plan knows the memory of methods that this package trains by itself.")
    env = environment(options)
    check_attempts = getattr(find_method(name), "check_attempts", None)
    if check_attempts is not None:
        check_attempts(env.attempts)
    try:
        model, trained_adapter = base_and_adapter(options.model)
        options = dataclasses.replace(options, model=model)
        shape = read_shape(model)
        if model.lora.layers > shape.layers:
            raise ValueError(f"lora.layers must be at most {shape.layers}, the model's layers")
        chat = Chat(read_tokenizer(model), template=model.template)
        work = work_of(options, learning, env, chat)
        work = dataclasses.replace(work, copied_reference=trained_adapter)
        if shape.positions is not None:
            shape.positions.check(work.length, what="an episode's prompts and replies")
    except SelfCorrectError:
        raise
    except (ImportError, OSError, ValueError) as error:
        text = str(error).strip().partition("\n")[0]
        raise UsageError(f"Cannot plan for model {options.model.model!r}: {text}") from error
    found = plan(shape, work)
    # of a device that is said to have so much memory, the disk is not known
    disk = None if options.plan_memory else free_disk(Path(options.out))
    if options.json:
        print_json(as_values(work, found, remedies(shape, work), disk))
    else:
        print("\n".join(lines(shape, work, found, disk)))
    return 0 if found.peak <= work.memory and has_room(found, disk) else 1


def free_disk(folder: Path) -> int:
    """Return the bytes that are free where a folder is, or will be made."""
    folder = folder.expanduser().absolute()
    return shutil.disk_usage(next(it for it in (folder, *folder.parents) if it.exists())).free


def has_room(found: Plan, disk: int | None) -> bool:
    """Whether the files of a run fit on a disk with so many free bytes; None is not known."""
    return disk is None or found.disk <= disk


def base_and_adapter(config: ModelConfig) -> tuple[ModelConfig, bool]:
    """Return a model as its base model with adapters, and whether these were trained before.

    Raises:
        OSError: there is no such model, or the hub cannot be reached.
        ValueError: the sizes of its adapter are not those of LoRA.
    """
    if is_tiny(config.model):
        return config, False
    file = Path(find_model(config.model, config.revision)) / ADAPTER_FILE
    if not file.is_file():
        return config, False
    if config.lora.rank:
        raise ValueError("it is an adapter already; lora.rank would add a second one")
    adapter = json.loads(file.read_bytes())
    targets = adapter.get("target_modules")
    if adapter.get("peft_type") != "LORA" or isinstance(targets, str):
        raise ValueError("only the memory of LoRA adapters with named modules can be planned")
    lora = dataclasses.replace(
        config.lora,
        rank=int(adapter["r"]),
        target_modules=tuple(sorted(targets or ())),
        layers=len(adapter.get("layers_to_transform") or ()),
    )
    base, revision = str(adapter["base_model_name_or_path"]), adapter.get("revision")
    return dataclasses.replace(config, model=base, revision=revision, lora=lora), True


def as_values(
    work: Work, found: Plan, helps: Sequence[tuple[str, int]], disk: int | None
) -> dict[str, Any]:
    """Return a plan as JSON-able values; memory and disk are in bytes."""
    fits = found.peak <= work.memory
    return {
        "fits": fits and has_room(found, disk),
        "peak": found.peak,
        "disk": found.disk,
        "free_disk": disk,
        "work": dataclasses.asdict(work),
        "plan": dataclasses.asdict(found),
        "remedies": {} if fits else dict(helps),
    }


def work_of(options: TrainOptions, learning: Any, env: TrainingEnv, chat: Chat) -> Work:
    """Return what a run does, as far as memory depends on it."""
    device, sampling = device_of(options.model), learning.sampling
    turns = learning.turns(env.attempts)
    given = options.plan_memory
    if given is None and device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no GPU here; say how much memory it has: --plan-memory 24GB")
    read = read_tokens(chat, env, turns, getattr(learning, "between_turns", ()))
    sampled = sampling.max_new_tokens * turns
    shortest, longest = prompt_tokens(chat, env)
    groups = getattr(learning, "updates_groups", False)  # a configuration need not say it
    samples = sampling.samples if groups else 1
    return Work(
        device="cuda" if device.type == "cuda" else "cpu",
        memory=parse_bytes(given) if given else free_memory(device),
        mixed=planned_dtype(options.model) == torch.bfloat16,
        rank=options.model.lora.rank,
        checkpointing=options.model.activation_checkpointing,
        optimizer=learning.optimizer,
        episodes=getattr(learning, "oversample", 1) * sampling.problems_per_step * sampling.samples,
        read=read,
        sampled=sampled,
        tokens_per_forward=learning.execution.tokens_per_forward,
        rows_at_once=learning.execution.rows_at_once,
        optimizers=learning.optimizers,
        saved_optimizers=learning.saved_optimizers,
        copies=learning.weight_copies,
        # the most of it: longer prompts are a larger part of their episodes
        computed=computed_share(shortest, shortest + read - longest + sampled, samples),
        keep_best=learning.evaluation.keep_best,
    )


def planned_dtype(config: ModelConfig) -> torch.dtype:
    """Return the precision of the forward pass; a GPU that isn't here is taken to have bfloat16."""
    absent = device_of(config).type == "cuda" and not torch.cuda.is_available()
    return torch.bfloat16 if absent and config.dtype == "auto" else dtype_of(config)


def parse_bytes(text: str) -> int:
    """Read a size such as "24GB" or "512 MB" (10⁹ and 10⁶ bytes), or "24GiB" (2³⁰ bytes each).

    >>> parse_bytes("1.5 GB"), parse_bytes("24G"), parse_bytes("1KiB")
    (1500000000, 24000000000, 1024)

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE)
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"--plan-memory must be a size such as 24GB, got {text!r}.")
    units = BINARY_UNITS if found[3] else UNITS
    return int(float(found[1]) * units[found[2].upper()])


def lines(shape: ModelShape, work: Work, found: Plan, disk: int | None = None) -> Iterator[str]:
    """Yield the lines that are printed."""
    trains = f"LoRA of rank {work.rank}" if work.rank else "all weights"
    precision = "bfloat16" if work.mixed else "float32"
    yield (
        f"{shape.parameters / 1e6:,.0f} M weights, {shape.layers} layers, vocabulary "
        f"{shape.vocabulary:,}; trains {trains} in {precision}"
        f"{', activations recomputed' if work.checkpointing else ''}"
    )
    yield (
        f"{work.episodes} episodes a step, of up to {work.read} tokens read and "
        f"{work.sampled} sampled"
    )
    if shape.unknown_quantisation:
        yield f"quantised weights are counted as {precision}: their format's bytes are unknown"
    yield ""
    for part, name in PARTS.items():
        if getattr(found, part):
            yield f"{name:<34}{_size(getattr(found, part))}"
    yield f"{'peak of the rollout':<34}{_size(found.always + found.rollout)}"
    yield f"{'peak of the update':<34}{_size(found.always + found.update)}"
    where = "GPU" if work.device == "cuda" else "CPU"
    yield f"{'peak':<34}{_size(found.peak)}   of {_size(work.memory).strip()} ({where})"
    yield f"{'disk: a checkpoint':<34}{_size(found.checkpoint)}"
    room = "" if disk is None else f"   of {_size(disk).strip()} that are free"
    yield f"{'disk: in all, at most':<34}{_size(found.disk)}{room}"
    yield ""
    yield f"update in micro-batches of {found.tokens_per_forward:,} tokens"
    yield f"rollout with {found.rows_at_once} of {work.episodes} episodes at once"
    if not has_room(found, disk):
        adapters = "" if work.rank else ", or train adapters alone (--lora.rank 16)"
        yield f"The disk has no room for its files. Name a folder on another one (--out){adapters}."
    elif found.peak <= work.memory:
        yield "It fits."
    if found.peak <= work.memory:
        return
    yield "It does not fit. What would help, by itself:"
    for flags, peak in remedies(shape, work):
        fits = ": fits" if peak <= work.memory else ""
        yield f"  {flags:<44}{_size(peak)}{fits}"


def remedies(shape: ModelShape, work: Work) -> list[tuple[str, int]]:
    """Return flags that lower the peak, each with the peak that it gives, the lowest first."""
    half = max(1, work.sampled // 2)
    tried: dict[str, dict[str, Any]] = {
        "--tokens-per-forward 1": {"tokens_per_forward": 1},
        "--rows-at-once 1": {"rows_at_once": 1},
        "--activation-checkpointing": {"checkpointing": True},
        "--dtype bfloat16": {"mixed": True},
        "--optimizer adamw_8bit": {"optimizer": "adamw_8bit"},
        "half of --max-new-tokens": {"sampled": half},
        "half of --problems-per-step": {"episodes": max(1, work.episodes // 2)},
    }
    if not work.rank:
        tried["--lora.rank 16"] = {"rank": 16}
        tried["--lora.rank 16 --activation-checkpointing"] = {"rank": 16, "checkpointing": True}
    now = plan(shape, work).peak
    peaks = {
        flags: plan(shape, dataclasses.replace(work, **changes)).peak
        for flags, changes in tried.items()
    }
    lower = [(flags, peak) for flags, peak in peaks.items() if peak < 0.99 * now]
    return sorted(lower, key=lambda found: found[1])


def _size(count: int) -> str:
    return f"{count / 1e9:>9.2f} GB" if count >= 1e7 else f"{count / 1e6:>9.2f} MB"
