"""`ModelShape`: the sizes of a model that decide how much memory it needs; no weights are loaded.

The numbers of bytes for each token are those of decoders of the Llama family (RMSNorm, attention
with rotary positions, a gated MLP), counted from the tensors that autograd keeps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from selfcorrect_agents.errors import UnsupportedModelError
from selfcorrect_agents.lm.decoders.decoder import FAMILIES, decoder_of
from selfcorrect_agents.lm.loading import parse_tiny
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.model_files import find_model, load_tokenizer
from selfcorrect_agents.lm.positions import PositionLimit, position_limit
from selfcorrect_agents.lm.pretrained import base_of_adapter, with_lora
from selfcorrect_agents.lm.quantised import (
    bytes_of_weight,
    is_kept,
    is_quantised,
    needs_adapter,
    quantises_experts,
)
from selfcorrect_agents.lm.tiny import build_tokenizer
from selfcorrect_agents.lm.tiny.model import model_config
from selfcorrect_agents.lm.token_caps import is_tiny

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PER_LAYER = 100
"""Bytes for each token and layer of what is kept beside matrices: norms' and softmaxes' sums."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of a decoder; counts are of numbers, not of bytes."""

    layers: int
    """Number of blocks."""
    hidden: int
    """Width of the residual stream, H."""
    inner: int
    """Width of the MLP's inner layer, of all experts together that compute a token."""
    queries: int
    """Width of all query heads together."""
    keys: int
    """Width of all key heads together; values have as much."""
    vocabulary: int
    """Number of token ids, V."""
    parameters: int = 0
    """Number of weights, shared ones counted once."""
    quantised: int = 0
    """Number of them that are quantised."""
    quantised_bytes: float = 0.0
    """Bytes of one of these."""
    dequantised: int = 0
    """Weights of the largest quantised part, which are dequantised while it is computed."""
    unknown_quantisation: bool = False
    """Whether weights are quantised in a way whose bytes are not known, so that they are counted
    as if they were not."""
    routed: int = 0
    """Experts that a token is computed by; 0 without experts."""
    merged_experts: int = 0
    """Weights of a layer's experts whose adapters PEFT adds to a copy of them in every pass."""
    ports: int = 0
    """Sum of inputs and outputs of the linear layers that get an adapter: an adapter of rank r has
    ``r · ports`` weights."""
    scored_heads: int = 0
    """Query heads of a layer whose attention scores are kept for the backward pass: all of them
    where transformers computes "eager" attention, else 0."""
    shares_prompts: bool = False
    """Whether a pass computes the prompt once that the episodes of a problem share."""
    positions: PositionLimit | None = None
    """How long a row may be; None if there is no limit."""
    adapted: int = 0
    """Number of layers, counted from the last one, that get adapters; 0 is every layer."""

    @classmethod
    def of(cls, config: Any) -> ModelShape:
        """Return the sizes that a configuration of transformers names, without counts of weights.

        Raises:
            ValueError: it names no layers or no width, so it is no configuration of a decoder.
        """
        text = config.get_text_config()
        try:
            heads, hidden = int(text.num_attention_heads), int(text.hidden_size)
            layers, vocabulary = int(text.num_hidden_layers), int(text.vocab_size)
        except AttributeError as error:
            raise ValueError(
                f"the configuration of a {config.model_type!r} model names no sizes of a decoder "
                f"({error})"
            ) from error
        width = int(getattr(text, "head_dim", None) or hidden // heads)
        kv_heads = int(getattr(text, "num_key_value_heads", None) or heads)
        return cls(
            layers=layers,
            hidden=hidden,
            inner=_inner_width(text) or 4 * hidden,
            queries=heads * width,
            keys=kv_heads * width,
            vocabulary=vocabulary,
            routed=_routed(text),
        )

    # -- bytes for each token -----------------------------------------------------------
    def cache(self, bytes_each: int) -> int:
        """Return the bytes of keys and values of one token in all layers."""
        return 2 * self.layers * self.keys * bytes_each

    def layer(self, *, rank: int, mixed: bool, length: int = 0) -> int:
        """Return the bytes of one token that a layer keeps for the backward pass.

        Args:
            rank: of the adapters; 0 if the full weights are trained.
            mixed: whether autocast computes in bfloat16.
            length: tokens of its row, which its attention scores are of.
        """
        scores = 8 * self.scored_heads * length
        h, attention, inner = self.hidden, 2 * (self.queries + self.keys), 4 * self.inner
        inner += 2 * self.routed * h  # copies for each expert, into and out of it
        if mixed:
            norms = 20 * h if rank else 26 * h
            return norms + 2 * (attention + inner + 7 * rank) + PER_LAYER + scores
        return 4 * ((4 if rank else 6) * h + attention + inner + 7 * rank) + PER_LAYER + scores

    def activations(self, *, rank: int, mixed: bool, checkpointing: bool, length: int = 0) -> int:
        """Return the bytes of one token that all layers keep for the backward pass.

        With ``checkpointing`` a layer's input is kept, and one layer at a time is recomputed.
        Arguments as `layer`.
        """
        layer = self.layer(rank=rank, mixed=mixed, length=length)
        layers = self.adapted or self.layers if rank else self.layers
        if not checkpointing:
            return layers * layer
        residual = 2 if mixed and rank else 4
        return layers * self.hidden * residual + layer

    def working(self, bytes_each: int) -> int:
        """Return the bytes of one token that a layer needs while it is computed, not after."""
        return (4 * self.inner + 4 * self.hidden) * bytes_each


def read_shape(config: ModelConfig) -> ModelShape:
    """Return the shape of the model that ``config`` names; only its configuration is read.

    Args:
        config: its ``model`` is as for `load_policy`, but a tiny model that does not exist yet is
            not trained.

    Raises:
        OSError: there is no such model, or the hub cannot be reached.
        ValueError: its configuration is not that of a decoder; or its weights are quantised, and
            without adapters nothing could be trained.
    """
    found = _configuration(config)
    if not config.lora.rank and is_quantised(found):
        raise ValueError(needs_adapter(config.model))
    lora = config.lora
    return shape_of(found, lora.target_modules, lora.layers, attention=config.attention)


def shape_of(
    config: Any, targets: Sequence[str] = (), adapted: int = 0, *, attention: str | None = None
) -> ModelShape:
    """Return the shape that a configuration of transformers describes, with counts of weights.

    They are counted on a model without storage (PyTorch's meta device).

    Args:
        config: of a causal language model.
        targets: names of the linear layers that get an adapter; by default all but the output
            layer.
        adapted: as `ModelShape.adapted`.
        attention: as `ModelConfig.attention`.
    """
    from transformers import AutoModelForCausalLM

    chosen = {} if attention is None else {"attn_implementation": attention}
    with torch.device("meta"):
        model = cast("PreTrainedModel", AutoModelForCausalLM.from_config(config, **chosen))
        counted = cast(nn.Module, model)
        each = bytes_of_weight(config)
        sizes = [] if each is None else _quantised_sizes(model)
        shape = dataclasses.replace(
            ModelShape.of(config),
            parameters=sum(weight.numel() for weight in counted.parameters()),
            quantised=sum(sizes),
            quantised_bytes=each or 0.0,
            dequantised=max(sizes, default=0),
            unknown_quantisation=is_quantised(config) and each is None,
            scored_heads=scored_heads(model),
            shares_prompts=shares_prompts(model),
            positions=position_limit(model),
            adapted=adapted,
        )
        layers = adapted or shape.layers
        lora = LoRAConfig(rank=1, target_modules=tuple(targets), layers=adapted)
        adapters = cast(nn.Module, with_lora(model, lora))  # peft decides which modules get one
        trained = (weight for weight in adapters.parameters() if weight.requires_grad)
        return dataclasses.replace(
            shape,
            ports=sum(weight.numel() for weight in trained),
            merged_experts=merged_experts(adapters, layers),
        )


def shares_prompts(model: PreTrainedModel) -> bool:
    """Return `ModelShape.shares_prompts` of a model without an adapter."""
    try:
        decoder_of(model)
    except UnsupportedModelError:
        return False
    return True


def scored_heads(model: PreTrainedModel) -> int:
    """Return `ModelShape.scored_heads` of a model without an adapter."""
    text = model.config.get_text_config()
    eager = getattr(text, "_attn_implementation", None) == "eager"
    ours = type(model.get_decoder()).__name__ in FAMILIES  # their attention is computed here
    return int(text.num_attention_heads) if eager and not ours else 0


def _inner_width(text: Any) -> int:
    """Return the width of the layer in an MLP, or in all experts that a token is computed by."""
    dense = int(getattr(text, "intermediate_size", None) or 0)
    chosen = _routed(text)
    if not chosen:
        return dense
    each = int(getattr(text, "moe_intermediate_size", None) or dense)
    shared = getattr(text, "shared_expert_intermediate_size", None)
    always = int(shared or each * int(getattr(text, "n_shared_experts", None) or 0))
    return chosen * each + always


_EXPERTS = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k")
"""Names of the number of experts that a token is computed by."""


def _routed(text: Any) -> int:
    return int(next((n for name in _EXPERTS if (n := getattr(text, name, None))), 0))


def merged_experts(model: nn.Module, layers: int) -> int:
    """Return `ModelShape.merged_experts` of a model, of which so many layers may have adapters."""
    if not hasattr(model, "peft_config"):
        return 0
    from peft.tuners.lora.layer import ParamWrapper

    experts = [it.get_param().numel() for it in model.modules() if isinstance(it, ParamWrapper)]
    return sum(experts) // layers


def _quantised_sizes(model: PreTrainedModel) -> list[int]:
    """Return the numbers of weights of the parts that are quantised.

    They are linear layers but the output layer, and some methods' fused experts, less those that
    the configuration leaves as they are.
    """
    experts = quantises_experts(model.config)
    output, found = model.get_output_embeddings(), list[int]()
    for name, module in cast(nn.Module, model).named_modules():
        if module is output or is_kept(model.config, name):
            continue
        if isinstance(module, nn.Linear):
            found.append(module.weight.numel())
        elif experts:
            own = module.parameters(recurse=False)
            found += [weight.numel() for weight in own if weight.ndim == _FUSED]
    return found


_FUSED = 3
"""Dimensions of fused experts' weights: experts, outputs, inputs."""


def read_tokenizer(config: ModelConfig) -> PreTrainedTokenizerFast:
    """Return the tokenizer of the model that ``config`` names; raises as `read_shape`."""
    if is_tiny(config.model):
        return build_tokenizer(parse_tiny(config.model).task)
    source, options = _files(config)
    return load_tokenizer(source, **options)


def _configuration(config: ModelConfig) -> Any:
    from transformers import AutoConfig

    if is_tiny(config.model):
        tiny = parse_tiny(config.model)
        return model_config(tiny, build_tokenizer(tiny.task))
    source, options = _files(config)
    return AutoConfig.from_pretrained(source, **options)


def _files(config: ModelConfig) -> tuple[str, dict[str, Any]]:
    """Return what ``from_pretrained`` takes to read a model's files."""
    found = find_model(config.model, config.revision)
    if base_of_adapter(found) is not None:
        raise ValueError("it is an adapter: name its base model, and its rank as --lora.rank")
    options: dict[str, Any] = {} if config.revision is None else {"revision": config.revision}
    if Path(found).suffix != ".gguf":
        return found, options
    return str(Path(found).parent), {**options, "gguf_file": Path(found).name}
