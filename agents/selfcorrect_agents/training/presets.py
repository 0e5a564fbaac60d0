"""Presets: named settings of a method, for a kind of model and data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from selfcorrect_agents.flat_config import changed, flat, from_flat
from selfcorrect_agents.lm.model_files import ADAPTER_FILE
from selfcorrect_agents.lm.token_caps import TINY_TOKEN_CAP, is_tiny
from selfcorrect_env import UnknownNameError

T = TypeVar("T")

TINY, PAPER_MATH, PAPER_MBPP, ONE_GPU = "tiny", "paper-math", "paper-mbpp", "one-gpu"

ABOUT = {
    TINY: "for --model tiny…, tuned on SelfCorrect-Arithmetic-v0",
    PAPER_MATH: "the paper's setting on MATH (table 5), for a large model",
    PAPER_MBPP: "the paper's setting on MBPP (table 5), for a large model",
    ONE_GPU: "a model of 0.5 to 1.5 billion parameters with LoRA on one GPU",
}
"""Preset -> what it is for."""

MODEL: dict[str, dict[str, Any]] = {
    ONE_GPU: {"lora.rank": 16, "activation_checkpointing": True},
}
"""Preset -> fields of `ModelConfig` that it sets, by their flags."""

RL: dict[str, dict[str, Any]] = {
    TINY: {},
    PAPER_MATH: {
        "problems_per_step": 64,
        "samples": 8,
        "learning_rate": 5e-6,
        "max_grad_norm": 1.0,
        "beta_1": 0.01,
        "max_new_tokens": 1024,
        "max_kl": 3.0,
    },
    PAPER_MBPP: {
        "problems_per_step": 16,
        "samples": 8,
        "learning_rate": 1e-5,
        "max_grad_norm": 1.0,
        "beta_1": 0.01,
        "max_new_tokens": 512,
        "max_kl": 3.0,
    },
    ONE_GPU: {
        "problems_per_step": 8,
        "samples": 8,
        "learning_rate": 4e-5,
        "max_grad_norm": 1.0,
        "beta_1": 0.01,
        "max_new_tokens": 512,
        "checkpoint_every": 20,
        "eval_every": 20,
        "eval_problems": 64,
        "eval_split": "train",
        "max_kl": 3.0,
    },
}
"""What the methods of reinforcement learning share. The paper gives learning rate, batch size
(problems × samples: 512 and 128), β₁ and temperature; samples and token caps are ours, and so are
the evaluations of one-gpu (as many episodes in 20 steps as one step plays) and the limit of the KL
(there the reference gives the replies e³ = 20 times less probability a token than the policy)."""

RL_WITHOUT_BETA: dict[str, dict[str, Any]] = {
    name: {key: value for key, value in fields.items() if key != "beta_1"}
    for name, fields in RL.items()
}
"""`RL` for configurations that have no β₁, or another name for it."""

IMITATION: dict[str, dict[str, Any]] = {
    TINY: {},
    PAPER_MATH: {
        "epochs": 1,
        "problems_per_step": 64,
        "samples": 8,
        "learning_rate": 5e-6,
        "max_new_tokens": 1024,
    },
    PAPER_MBPP: {
        "epochs": 1,
        "problems_per_step": 16,
        "samples": 8,
        "learning_rate": 1e-5,
        "max_new_tokens": 512,
    },
    ONE_GPU: {
        "problems_per_step": 8,
        "samples": 8,
        "learning_rate": 2e-4,
        "batch_size": 8,
        "first_reply": "always",
        "max_new_tokens": 512,
        "checkpoint_every": 20,
    },
}
"""What the methods of imitation share: one epoch, as in the paper, and the learning rates and the
budget of its RL runs ("not varied between runs", section 6)."""

TOKEN_CAPS = {
    name: int(values.get("max_new_tokens", TINY_TOKEN_CAP)) for name, values in RL.items()
}
"""Preset -> token cap of a reply, the same for every method."""

STEPS = {PAPER_MATH: 3000, PAPER_MBPP: 1500, ONE_GPU: 200}
"""Preset -> steps of a whole run; the paper's are of table 5."""


def rl_presets(own: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return a method's presets: the fields of `RL` and its own, by preset."""
    return {name: {**shared, **own.get(name, {})} for name, shared in RL.items()}


def imitation_presets(iterations: int) -> dict[str, dict[str, Any]]:
    """Return a method's presets: `IMITATION`, with `STEPS` split over ``iterations``."""
    return {
        name: {**shared, **({"rollouts": STEPS[name] // iterations} if name in STEPS else {})}
        for name, shared in IMITATION.items()
    }


def presets_of(cls: type[Any]) -> dict[str, Mapping[str, Any]]:
    """Return the presets of a method's configuration, by name: fields by flat name.

    A configuration names them in its class attribute ``presets``, or inherits them; one without
    that attribute has only ``tiny``, its defaults.
    """
    return dict(getattr(cls, "presets", {TINY: {}}))


def preset(cls: type[T], name: str, **changes: Any) -> T:
    """Return a method's configuration with a preset and further changes, by flat name.

    >>> from selfcorrect_agents.methods.score import SCoReConfig
    >>> preset(SCoReConfig, "paper-math", alpha=0.0).optimization.learning_rate
    5e-06

    Raises:
        UnknownNameError: the configuration has no such preset, or a change names no field.
    """
    presets = presets_of(cls)
    if name not in presets:
        raise UnknownNameError.of(f"preset of {cls.__name__}", name, presets)
    return from_flat(cls, {**presets[name], **changes})


def with_preset_model(options: T, name: str, model: str) -> T:
    """Return options, of which a `ModelConfig` is a part, with a preset's fields of it.

    A model that is already an adapter gets no second one.
    """
    settings = MODEL.get(name, {})
    if (Path(model).expanduser() / ADAPTER_FILE).is_file():
        settings = {key: value for key, value in settings.items() if key != "lora.rank"}
    return changed(options, **settings)


def default_preset(cls: type[Any], model: str) -> str:
    """Return the preset for a model if none is given: never a tiny model's for another model.

    Raises:
        ValueError: the model is not tiny, and the configuration has presets for tiny ones only.
    """
    presets = presets_of(cls)
    if is_tiny(model) or not hasattr(cls, "presets"):
        return TINY  # a configuration without presets has defaults of its own
    if ONE_GPU in presets:
        return ONE_GPU
    raise ValueError(
        f"the defaults of this method are for tiny models, and {model!r} is not one: give "
        f"--preset ({', '.join(presets)}) and the settings that differ."
    )


def describe(cls: type[Any]) -> str:
    """Return a line for each preset: its name, what it is for, and what it sets."""
    lines = []
    for name, values in presets_of(cls).items():
        default = flat(from_flat(cls, {}))
        differs = {**MODEL.get(name, {})}
        differs |= {key: value for key, value in values.items() if default.get(key) != value}
        flags = " ".join(_flag(key, value) for key, value in differs.items())
        lines.append(f"  {name:<11} {ABOUT.get(name, '')}: {flags or 'the defaults below'}")
    return "\n".join(lines)


def _flag(name: str, value: Any) -> str:
    flag = "--" + name.replace("_", "-")
    return flag if value is True else f"{flag} {value}"
