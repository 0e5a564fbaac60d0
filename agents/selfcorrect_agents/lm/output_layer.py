"""`few_rows`: an output layer over the whole vocabulary, for the few rows of a decoding step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCK = 1024
"""Columns of one product."""

ROWS = 32
"""More rows than this are computed in one product."""


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
