"""`FusedBlock`: a `Block` for decoding small models, whose time goes into the number of operations.

Its weights are copies of the model's, joined and rearranged: the norms' scales are multiplied into
the projections after them, one product makes queries, keys and values, another one gate and up, and
the two channels that a rotary embedding rotates are neighbours, so that the rotation is one complex
product. Copies are made for one turn, from the weights that the model has then.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDEST = 256
"""Largest hidden size of a model whose weights are copied."""


class FusedBlock:
    """One layer of a Llama-like decoder, without gradients; see `Block`.

    Args:
        layer: the transformers module, of which `fusible` is true.
        head_dim: D, channels of a head.
    """

    def __init__(self, layer: nn.Module, head_dim: int) -> None:
        modules: Any = layer
        attention, mlp = modules.self_attn, modules.mlp
        before, middle = modules.input_layernorm, modules.post_attention_layernorm
        self._dim = head_dim
        self._kv_heads = attention.k_proj.weight.shape[0] // head_dim
        pairs = [_neighbours(attention.q_proj, head_dim), _neighbours(attention.k_proj, head_dim)]
        parts = [*pairs, (attention.v_proj.weight, attention.v_proj.bias)]
        self._inputs = torch.cat([weight for weight, _ in parts]) * before.weight
        biases = [bias for _, bias in parts if bias is not None]
        self._bias = torch.cat(biases) if biases else None
        self._output = attention.o_proj
        self._gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * middle.weight
        self._down = mlp.down_proj.weight.t()
        self._eps = [_epsilon(before), _epsilon(middle)]

    def queries_keys_values(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, H) -> (N, heads, D) queries, (N, kv_heads, D) keys and values.

        ``rotation`` is (N, 1, D/2) complex64: the rotary embeddings of each pair of channels.
        """
        joined = F.linear(_unit(x, self._eps[0]), self._inputs, self._bias)
        heads = joined.view(len(x), -1, self._dim)
        rotated = heads[:, : -self._kv_heads].unflatten(-1, (-1, 2))
        torch.view_as_complex(rotated).mul_(rotation)
        queries = heads[:, : -2 * self._kv_heads]
        keys = heads[:, -2 * self._kv_heads : -self._kv_heads]
        return queries, keys, heads[:, -self._kv_heads :]

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add the projection of (N, heads · D) and the feed-forward part to ``x``, (N, H)."""
        x = torch.addmm(x, attended, self._output.weight.t())
        if self._output.bias is not None:
            x += self._output.bias
        gate, up = F.linear(_unit(x, self._eps[1]), self._gate_up).chunk(2, dim=-1)
        return x.addmm_(F.silu(gate).mul_(up), self._down)


def fusible(layer: nn.Module) -> bool:
    """Whether `FusedBlock` computes a layer: float32, small, without adapters and inner norms."""
    modules: Any = layer
    attention, mlp = modules.self_attn, modules.mlp
    projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    feed_forward = [mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    plain = all(
        type(linear) is nn.Linear and linear.weight.dtype == torch.float32
        for linear in (*projections, *feed_forward)
    )
    return (
        plain
        and hasattr(modules, "input_layernorm")
        and not hasattr(attention, "q_norm")
        and _is_silu(mlp.act_fn)
        and all(linear.bias is None for linear in feed_forward)
        and attention.o_proj.weight.shape[0] <= WIDEST
        and not torch.is_autocast_enabled(attention.q_proj.weight.device.type)
    )


def _is_silu(activation: Any) -> bool:
    """Whether an activation is x · sigmoid(x), whatever its class is named."""
    values = torch.linspace(-4, 4, 9)
    return torch.allclose(activation(values), F.silu(values))


def _epsilon(norm: Any) -> Tensor:
    return norm.weight.new_full((1, 1), norm.variance_epsilon)


def _unit(x: Tensor, epsilon: Tensor) -> Tensor:
    """(N, H) -> the same, each row divided by its root mean square."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * torch.addcmul(epsilon, length, length, value=1 / x.shape[-1]).rsqrt_()


def _neighbours(linear: nn.Linear, head_dim: int) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with channels i and i + D/2 of each head next to each other."""

    def rearranged(values: Tensor) -> Tensor:
        halves = values.unflatten(0, (-1, 2, head_dim // 2))
        return halves.transpose(1, 2).flatten(0, 2)

    bias = None if linear.bias is None else rearranged(linear.bias)
    return rearranged(linear.weight), bias
