"""The output layer: `few_rows` for a decoding step, `LinearHead` for parts of the vocabulary."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

BLOCK = 1024
"""Columns of one product."""

MANY = 8 * BLOCK
"""Fewer columns than this are computed in one product."""

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

    def slope(self, changed: Tensor) -> Tensor | float:
        """Return the derivative of this function where its value is ``changed``; any shape."""
        return self.scale if self.cap is None else self.scale * (1 - (changed / self.cap).square())


@dataclass(frozen=True, slots=True)
class LinearHead:
    """An output layer without a bias, whose logits can be computed a few columns at a time."""

    weight: Tensor
    """(V, H)."""
    change: LogitChange = LogitChange()
    """What the model does to its logits."""
    autocast: torch.dtype | None = None
    """The precision of products on the CPU, other than the tensors' own."""

    def __call__(self, hidden: Tensor) -> Tensor:
        """(n, H) hidden states -> (n, V) logits."""
        return self.logits(hidden, slice(None))

    def blocks(self) -> Iterator[slice]:
        """Yield slices that cover the columns, `BLOCK` each."""
        for start in range(0, len(self.weight), BLOCK):
            yield slice(start, min(start + BLOCK, len(self.weight)))

    def logits(self, hidden: Tensor, columns: slice) -> Tensor:
        """(n, H) hidden states -> (n, c) logits of ``columns``, in float32 or wider."""
        return self.change(self.product(hidden, self.weight[columns].t()))

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the matrix product in this head's precision, as float32 or wider."""
        with self._precision():
            found = a.to(b.dtype) @ b
        return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self.autocast)


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


def is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer is a matrix alone, and has so many rows that parts of it pay off on a CPU."""
    return (
        type(layer) is nn.Linear
        and layer.bias is None
        and layer.out_features >= MANY
        and layer.weight.device.type == "cpu"
    )


@torch.no_grad()
def few_rows(layer: nn.Module, hidden: Tensor) -> Tensor:
    """Return what a layer makes of (…, H) hidden states, without a gradient.

    On a CPU, float32 products of few rows with a large vocabulary are computed in blocks of
    columns, for which MKL takes about half of the time.
    """
    if (
        not is_plain(layer)
        or hidden.ndim != 2
        or len(hidden) > ROWS
        or not hidden.dtype == layer.weight.dtype == torch.float32
        or torch.is_autocast_enabled("cpu")
    ):
        return layer(hidden)
    out = hidden.new_empty(len(hidden), layer.out_features)
    for start in range(0, layer.out_features, BLOCK):
        block = slice(start, start + BLOCK)
        torch.mm(hidden, layer.weight[block].t(), out=out[:, block])
    return out
