"""Quantised weights: whether a model has them, and how many bytes they take."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

_WITH_EXPERTS = {"fp8": 1.0, "fbgemm_fp8": 1.0, "mxfp4": 0.5 + 1 / 32}
"""Method that quantises fused experts too -> bytes of a weight with its part of the scales, which
are of blocks of 32 for MXFP4."""


def is_quantised(config: Any) -> bool:
    """Return whether a configuration of transformers says that weights are quantised as loaded.

    Those of a .gguf file are not: they are dequantised.
    """
    return bool(_settings(config)) and not _settings(config).get("dequantize", False)


def needs_adapter(model: str) -> str:
    """Return why quantised weights are not trained."""
    return (
        f"{model!r} is quantised, so its weights can't be trained: train adapters "
        "(--lora.rank 16), or take the model that is not quantised."
    )


def bytes_of_weight(config: Any) -> float | None:
    """Return the bytes of a quantised weight, its part of the scales included.

    None if the weights are not quantised, or in a way that is not known here.

    Args:
        config: of transformers; its ``quantization_config`` may be a dict.
    """
    found = _settings(config)
    if not is_quantised(config):
        return None
    if (method := _method(config)) in _WITH_EXPERTS:
        return _WITH_EXPERTS[method]
    if found.get("load_in_4bit") or found.get("_load_in_4bit"):
        nested = found.get("bnb_4bit_use_double_quant")
        return 0.5 + (1 if nested else 4) / 64  # a scale for 64 weights
    if found.get("load_in_8bit") or found.get("_load_in_8bit"):
        return 1.0
    bits = found.get("bits") or found.get("w_bit") or _bits_of_groups(found)
    if not bits:
        return None
    group = found.get("group_size") or found.get("q_group_size") or 128
    scales = (2 + bits / 8) / group if group > 0 else 0.0  # −1 is one group for a whole row
    return bits / 8 + scales


def quantises_experts(config: Any) -> bool:
    """Return whether fused experts, which are no linear layers, are quantised as well."""
    return _method(config) in _WITH_EXPERTS


def is_kept(config: Any, module: str) -> bool:
    """Return whether a configuration leaves a module as it is, by its name.

    It lists names or parts of them, patterns with ``*``, and regular expressions after ``re:``.
    """
    keys = ("llm_int8_skip_modules", "modules_to_not_convert", "ignore")
    listed = [str(name) for key in keys for name in _settings(config).get(key) or ()]
    return any(_matches(pattern, module) for pattern in listed)


def _matches(pattern: str, module: str) -> bool:
    if pattern.startswith("re:"):
        return re.match(pattern[3:], module) is not None
    return pattern in module or fnmatch.fnmatchcase(module, f"*{pattern}*")


def _method(config: Any) -> str:
    named = _settings(config).get("quant_method", "")
    return str(getattr(named, "value", named))


def _settings(config: Any) -> dict[str, Any]:
    found = getattr(config, "quantization_config", None)
    if found is None:
        return {}
    return found if isinstance(found, dict) else vars(found)


def _bits_of_groups(settings: dict[str, Any]) -> int | None:
    """Return the bits of compressed-tensors' weights, the most of all groups."""
    groups = settings.get("config_groups") or {}
    of_weights = [(group.get("weights") or {}).get("num_bits") for group in groups.values()]
    return max(filter(None, of_weights), default=None)
