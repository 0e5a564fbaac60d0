"""The output layer: `few_rows` for a decoding step, `logit_changes` for what comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 1024
"""Columns of one product."""

ROWS = 32
"""More rows than this are computed in one product."""

SCALES = ("logits_scaling", "logit_scale", "lm_head_multiplier", "output_multiplier")
"""Names of factors in configurations: Granite divides by its own, the others multiply."""

CAPS = ("final_logit_softcapping", "logits_soft_cap")
"""Names of the bound of the logits in configurations, as Gemma 2 has it."""


@dataclass(frozen=True, slots=True)
class LogitChange:
    """What a model does to the logits of its output layer: ``cap · tanh(scale · logits / cap)``."""

    scale: float = 1.0
    """Factor of the logits."""
    cap: float | None = None
    """Bound of their size; None: they have none."""

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the model's logits; any shape."""
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)


def logit_changes(config: Any) -> Iterator[LogitChange]:
    """Yield what a model may do to the logits of its output layer, the likeliest first.

    What is named in a configuration comes first; the last one changes nothing.

    Args:
        config: a configuration of transformers.
    """
    text = config.get_text_config()
    named = [getattr(text, name, None) for name in SCALES]
    scales = [s for scale in named if scale for s in (1 / scale, scale)]
    caps = [cap for name in CAPS if (cap := getattr(text, name, None))]
    for cap in [*caps, None]:
        for scale in [*scales, 1.0]:
            yield LogitChange(scale, cap)


@torch.no_grad()
def few_rows(layer: nn.Module, hidden: Tensor) -> Tensor:
    """Return what a layer makes of (…, H) hidden states, without a gradient.

    On a CPU, float32 products of few rows with a large vocabulary are computed in blocks of
    columns, for which MKL takes about half of the time.
    """
    if (
        type(layer) is not nn.Linear
        or layer.bias is not None
        or hidden.ndim != 2
        or len(hidden) > ROWS
        or layer.out_features < 8 * BLOCK
        or hidden.device.type != "cpu"
        or not hidden.dtype == layer.weight.dtype == torch.float32
        or torch.is_autocast_enabled("cpu")
    ):
        return layer(hidden)
    out = hidden.new_empty(len(hidden), layer.out_features)
    for start in range(0, layer.out_features, BLOCK):
        block = slice(start, start + BLOCK)
        torch.mm(hidden, layer.weight[block].t(), out=out[:, block])
    return out
