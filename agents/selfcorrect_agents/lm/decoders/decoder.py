"""`Decoder`: the forward pass of a Llama-like model over packed tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from selfcorrect_agents.errors import UnsupportedModelError
from selfcorrect_agents.lm.decoders.blocks import Block, Rotary, rms_norm
from selfcorrect_agents.lm.decoders.fused import FusedBlock, fusible

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FAMILIES = frozenset({"LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "Olmo2Model"})
"""Classes of transformers whose layers `Block` computes."""

ROPE_TYPES = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary embeddings whose frequencies do not depend on the length of the context."""

Attend: TypeAlias = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, (N, heads, D) queries, (N, kv_heads, D) keys, values) -> (N, heads · D)."""


class Decoder:
    """The forward pass of a Llama-like model over packed tokens, with the model's own weights.

    Make it with `decoder_of`.

    Args:
        decoder: the transformers module between input ids and last hidden states.
    """

    def __init__(self, decoder: Any) -> None:
        config = decoder.config
        self._decoder = decoder
        self.layers = len(decoder.layers)
        """Number of transformer layers."""
        self.heads: int = config.num_attention_heads
        """Query heads of a layer."""
        self.kv_heads: int = config.num_key_value_heads
        """Key and value heads of a layer."""
        self.head_dim: int = decoder.layers[0].self_attn.head_dim
        """D, channels of a head."""
        self.family = type(decoder).__name__.removesuffix("Model")
        """Name of the architecture."""
        self.blocks = [Block(layer, self.head_dim) for layer in decoder.layers]
        self.waits_for_device = any(map(_separates_outliers, decoder.modules()))
        """Whether a layer needs a number from the GPU in its forward pass, as LLM.int8() with
        outliers does: no CUDA graph can record it."""
        self.shared_layers = _without_adapters(decoder)
        """Number of layers, from the first one on, that are the same with adapters on and off."""
        self._positions = 0
        self._tables: dict[tuple[torch.dtype, torch.device], Rotary] = {}

    def hidden(
        self, ids: Tensor, positions: Tensor, attend: Attend, shared: Tensor | None = None
    ) -> Tensor:
        """Return the last hidden states of N packed tokens.

        Args:
            ids: (N,) int64.
            positions: (N,) int64, the index of each token in its own row.
            attend: attention of every layer; it knows which tokens form a row.
            shared: what `shared_hidden` returned for the same tokens, which is not computed again.

        Returns:
            (N, H), with a gradient where gradients are on; the output layer makes logits of them.
        """
        length = int(positions.max()) + 1 if positions.numel() else 1
        if shared is None and not torch.is_grad_enabled():
            return self.fast_pass(length)(ids, positions, attend)
        self._ensure(length)
        return self._run(ids, positions, attend, shared)

    @torch.no_grad()
    def shared_hidden(self, ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Return the (N, H) states after the `shared_layers`; arguments as `hidden`."""
        self._ensure(int(positions.max()) + 1 if positions.numel() else 1)
        x = self._decoder.embed_tokens(ids)
        rotary = self._rotary(positions, x)
        for layer in range(self.shared_layers):
            x = self._layer(layer, x, rotary, attend)
        return x

    def _run(
        self, ids: Tensor, positions: Tensor, attend: Attend, shared: Tensor | None = None
    ) -> Tensor:
        x = self._decoder.embed_tokens(ids) if shared is None else shared
        rotary = self._rotary(positions, x)
        recompute = torch.is_grad_enabled() and self._checkpoints_activations()
        for layer in range(0 if shared is None else self.shared_layers, self.layers):
            if recompute:
                x = checkpoint(self._layer, layer, x, rotary, attend, use_reentrant=False)
            else:
                x = self._layer(layer, x, rotary, attend)
        return rms_norm(self._decoder.norm, cast(Tensor, x))

    def fast_pass(self, length: int) -> Callable[[Tensor, Tensor, Attend], Tensor]:
        """Return `hidden` for positions below ``length``, without gradients.

        A small model computes with copies of its weights, as they are now; see `FusedBlock`. Keys
        and values of this pass and of `hidden` must not be mixed.
        """
        self._ensure(length)
        if not all(map(fusible, self._decoder.layers)):
            return self._run
        blocks = [FusedBlock(layer, self.head_dim) for layer in self._decoder.layers]
        table = self._table(self._positions, self._decoder.embed_tokens.weight)
        half = self.head_dim // 2
        rotations = torch.complex(table.cos[..., half:], table.sin[..., half:])

        def run(ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
            x, rotation = self._decoder.embed_tokens(ids), rotations[positions]
            for layer, block in enumerate(blocks):
                x = block.finish(x, attend(layer, *block.queries_keys_values(x, rotation)))
            return rms_norm(self._decoder.norm, x)

        return run

    def _layer(self, layer: int, x: Tensor, rotary: Rotary, attend: Attend) -> Tensor:
        block = self.blocks[layer]
        return block.finish(x, attend(layer, *block.queries_keys_values(x, rotary)))

    def _ensure(self, positions: int) -> None:
        """Compute rotary embeddings of at least this many positions when they are next needed."""
        if positions > self._positions:
            self._positions = max(256, 2 * positions)
            self._tables.clear()

    def _rotary(self, positions: Tensor, like: Tensor) -> Rotary:
        table = self._tables.get((like.dtype, like.device))
        if table is None:
            table = self._tables[like.dtype, like.device] = self._table(self._positions, like)
        return Rotary(table.cos[positions], table.sin[positions])

    @torch.no_grad()
    def _table(self, length: int, like: Tensor) -> Rotary:
        """Embeddings of the positions below ``length``, by the model's own rotary module."""
        every = torch.arange(length, device=like.device)[None]
        cos, sin = self._decoder.rotary_emb(like, position_ids=every)
        half = sin.shape[-1] // 2
        signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        return Rotary(cos[0, :, None], signed[0, :, None])

    def _checkpoints_activations(self) -> bool:
        first = self._decoder.layers[0]  # in training mode only, as transformers does
        return first.training and getattr(first, "gradient_checkpointing", False)


def _without_adapters(decoder: Any) -> int:
    """Return how many layers from the first one on have nothing of an adapter below or in them."""
    if _is_adapted(decoder.embed_tokens):
        return 0
    adapted = (number for number, layer in enumerate(decoder.layers) if _is_adapted(layer))
    return next(adapted, len(decoder.layers))


def _norms(decoder: Any) -> list[nn.Module]:
    """Return what normalises in a decoder of `FAMILIES`; adapters may be around it."""
    named = decoder.named_modules()
    return [module for name, module in named if name.rpartition(".")[2].endswith("norm")]


def _separates_outliers(module: nn.Module) -> bool:
    """Whether a module is a linear layer of bitsandbytes that multiplies outliers apart."""
    return getattr(getattr(module, "state", None), "threshold", 0) > 0


def _is_adapted(module: nn.Module) -> bool:
    """Whether an adapter of peft changes a module: a part of it, a copy of it, or its own weights.

    An adapter may train whole modules (``modules_to_save``) and biases, too.
    """
    marks = ("base_layer", "modules_to_save")
    parts = (hasattr(part, mark) for part in module.modules() for mark in marks)
    return any(parts) or any(weight.requires_grad for weight in module.parameters())


def decoder_of(model: PreTrainedModel) -> Decoder:
    """Return the decoder of a causal language model, with or without adapters of peft.

    Raises:
        UnsupportedModelError: `Decoder` does not compute the architecture or one of its options.
    """
    base: Any = model
    if hasattr(base, "get_base_model"):
        base = base.get_base_model()
    decoder = base.get_decoder()
    config, name = decoder.config, type(decoder).__name__
    if name not in FAMILIES:
        raise UnsupportedModelError(f"{name} is not one of {', '.join(sorted(FAMILIES))}")
    rope = config.rope_parameters["rope_type"]
    if rope not in ROPE_TYPES:
        raise UnsupportedModelError(
            f"rotary embeddings of type {rope!r} depend on the context's length"
        )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or (
        name == "MistralModel" and getattr(config, "sliding_window", None) is not None
    ):
        raise UnsupportedModelError("its layers attend to a sliding window")
    implementation = config._attn_implementation
    if implementation != "sdpa":
        raise UnsupportedModelError(
            f"it was loaded with the attention implementation {implementation!r}"
        )
    if not all(hasattr(norm, "variance_epsilon") for norm in _norms(decoder)):
        raise UnsupportedModelError("an adapter changes its norms")
    if any(hasattr(module, "_hf_hook") for module in decoder.modules()):
        raise UnsupportedModelError("accelerate has placed its layers on several devices")
    return Decoder(decoder)
