"""`Block`: a transformer layer without its attention, over the modules of a transformers layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Rotary(NamedTuple):
    """Rotary position embeddings (Su et al., arXiv 2104.09864) of N tokens."""

    cos: Tensor
    """(N, 1, D)."""
    sin: Tensor
    """(N, 1, D), the first half negated."""

    def rotate(self, heads: Tensor) -> Tensor:
        """(N, heads, D) -> the same, each pair of channels (i, i + D/2) rotated."""
        swapped = heads.roll(heads.shape[-1] // 2, -1)
        return torch.addcmul(heads * self.cos, swapped, self.sin)


class Block:
    """One layer of a Llama-like decoder: everything but the attention itself.

    Args:
        layer: the transformers module. Its norms precede attention and feed-forward (Llama), or
            follow them (OLMo 2).
        head_dim: D, channels of a head.
    """

    def __init__(self, layer: nn.Module, head_dim: int) -> None:
        modules: Any = layer
        self._attention, self._mlp = modules.self_attn, modules.mlp
        self._before = getattr(modules, "input_layernorm", None)
        self._middle = modules.post_attention_layernorm
        self._after = getattr(modules, "post_feedforward_layernorm", None)
        self._head_dim = head_dim
        self._q_norm = getattr(self._attention, "q_norm", None)
        self._k_norm = getattr(self._attention, "k_norm", None)
        self._whole_norm = self._q_norm is not None and self._q_norm.weight.shape[0] != head_dim

    def queries_keys_values(self, x: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor, Tensor]:
        """(N, H) -> (N, heads, D) queries, (N, kv_heads, D) keys and values."""
        inputs = x if self._before is None else rms_norm(self._before, x)
        queries = self._heads(self._attention.q_proj(inputs), self._q_norm)
        keys = self._heads(self._attention.k_proj(inputs), self._k_norm)
        values = self._attention.v_proj(inputs).unflatten(-1, (-1, self._head_dim))
        dtype = values.dtype  # autocast gives norms and embeddings another one
        return rotary.rotate(queries).to(dtype), rotary.rotate(keys).to(dtype), values

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add the projection of (N, heads · D) and the feed-forward part to ``x``, (N, H)."""
        out = self._attention.o_proj(attended)
        if self._before is None:  # OLMo 2
            x = x + rms_norm(self._middle, out)
            return x + rms_norm(self._after, self._feed_forward(x))
        x = x + out
        return x + self._feed_forward(rms_norm(self._middle, x))

    def _heads(self, projected: Tensor, norm: Any) -> Tensor:
        if norm is None:
            return projected.unflatten(-1, (-1, self._head_dim))
        if self._whole_norm:
            return rms_norm(norm, projected).unflatten(-1, (-1, self._head_dim))
        return rms_norm(norm, projected.unflatten(-1, (-1, self._head_dim)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        mlp = self._mlp
        gate = mlp.act_fn(mlp.gate_proj(x))
        return mlp.down_proj(gate * mlp.up_proj(x))


def rms_norm(module: Any, x: Tensor) -> Tensor:
    """Apply a transformers RMSNorm; by one operation where its dtype is that of ``x``."""
    if module.weight.dtype != x.dtype:
        return module(x)
    return F.rms_norm(x, module.weight.shape, module.weight, module.variance_epsilon)
