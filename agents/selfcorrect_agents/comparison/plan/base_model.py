"""The base model of a comparison, as fields of `ModelConfig` by flat name, and presets of it.

A comparison holds the fields that were given. `model_config` adds those of a preset and defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from selfcorrect_agents.comparison.plan.typed_values import build_flat, fit
from selfcorrect_agents.flat_config import flat, flat_fields
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.token_caps import is_tiny
from selfcorrect_agents.training.presets import ONE_GPU, TINY, with_preset_model

DEFAULT_MODEL = "tiny:seed={seed}"


@dataclass(frozen=True)
class _Base:
    model: ModelConfig = ModelConfig()


MODEL_FIELDS = flat_fields(_Base)
"""Flat names of the fields of `ModelConfig` with their types: ``model``, ``lora.rank`` …"""

PARTS = ("lora", "template")
"""The tables of a file that are parts of `ModelConfig`."""

_DEFAULTS = flat(_Base())


def flattened(tables: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return tables with ``lora = {rank = 8}`` as ``{"lora.rank": 8}``; the same for ``template``.

    Raises:
        ComparisonError: one of them is no table.
    """
    values = dict(tables)
    parts: dict[str, Any] = {}
    for part in PARTS:
        table = fit(values.pop(part, {}), dict, f"{where}: {part}")
        parts |= {f"{part}.{key}": value for key, value in table.items()}
    return {**parts, **values}


def preset_by_default(model: str) -> str:
    """Return the preset of a model if none is given: "tiny" or "one-gpu"."""
    return TINY if is_tiny(model) else ONE_GPU


def model_config(given: Mapping[str, Any], preset: str | None, seed: int) -> ModelConfig:
    """Return the base model of one row and seed.

    Args:
        given: the fields that were given, by flat name; they win over the preset's.
        preset: the preset of the row; None for the model's default.
        seed: replaces ``{seed}`` in the model's name.

    Raises:
        ComparisonError: a value is invalid.
    """
    model = str(given.get("model", DEFAULT_MODEL)).replace("{seed}", str(seed))
    device = "cpu" if is_tiny(model) else "auto"
    name = preset_by_default(model) if preset is None else preset
    base = flat(with_preset_model(_Base(ModelConfig(device=device)), name, model))
    return build_flat(_Base, {**base, **given, "model": model}, "model").model


def to_play(model: ModelConfig) -> ModelConfig:
    """Return a base model without what only training needs: adapters, checkpointing."""
    return replace(model, lora=LoRAConfig(), activation_checkpointing=False)


def trained_in(folder: str, base: ModelConfig) -> ModelConfig:
    """Return the model in ``folder`` that was trained from ``base``: whole, or as an adapter."""
    return replace(to_play(base), model=folder)


def settings_of(model: ModelConfig) -> dict[str, Any]:
    """Return ``model``, ``device`` and the further fields that differ from their defaults."""
    return {
        key: value
        for key, value in flat(_Base(model)).items()
        if key in ("model", "device") or value != _DEFAULTS[key]
    }


def identity_of_model(model: ModelConfig) -> dict[str, Any]:
    """Return `settings_of` with the device and the precision that "auto" stands for.

    float32 is left out like other defaults, so a new field of `ModelConfig` leaves the identity
    of finished cells as it is.
    """
    from selfcorrect_agents.lm.pretrained import device_of, dtype_of  # torch

    settings = settings_of(model)
    settings.pop("dtype", None)
    dtype = str(dtype_of(model)).removeprefix("torch.")
    precision = {} if dtype == "float32" else {"dtype": dtype}
    return {**settings, "device": str(device_of(model)), **precision}
