"""`ModelConfig`: which model is loaded, where it runs, in which precision, which weights train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from selfcorrect_agents.lm.template_config import TemplateConfig

DType: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""Precision of the forward pass; see `ModelConfig.dtype`."""

OptimizerName: TypeAlias = Literal["adamw", "adamw_8bit", "paged_adamw_8bit"]
"""An optimiser; see `selfcorrect_agents.lm.learner.make_optimizer`."""


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Low-rank adapters (Hu et al., arXiv 2106.09685), trained by the library peft.

    There is no dropout: on-policy methods score what they sampled, so the policy that samples and
    the policy that is scored must be the same.
    """

    rank: int = 0
    """Rank of the adapters, ≥ 0; 0 trains the full weights."""
    alpha: float = 32.0
    """Scale of the adapters, > 0: their output is multiplied by alpha / rank."""
    target_modules: tuple[str, ...] = ()
    """Names of the linear layers that get an adapter, such as q_proj and v_proj; by default every
    linear layer but the output layer, as peft's "all-linear" finds them (of experts, it depends on
    the family)."""
    layers: int = 0
    """Number of layers, counted from the last one, that get adapters, ≥ 0; 0 is every layer. What
    lies below them is the same for the policy and its reference: it is computed once for both, and
    needs no backward pass."""
    seed: int = 0
    """Of the adapters' initial weights."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"lora.rank must be at least 0, got {self.rank}.")
        if self.layers < 0:
            raise ValueError(f"lora.layers must be at least 0, got {self.layers}.")
        if self.alpha <= 0:
            raise ValueError(f"lora.alpha must be above 0, got {self.alpha}.")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which model is loaded, and how."""

    model: str = "tiny"
    """A folder, a Hugging Face id, a .gguf file, or "tiny[:seed=0,hidden_size=64,…]"."""
    revision: str | None = None
    """Branch, tag or commit of a Hugging Face id."""
    device: str = "auto"
    """Where the model runs: "cpu", "cuda", "cuda:1" …; "auto" is "cuda" if there is one."""
    dtype: DType = "auto"
    """Precision of the forward pass. bfloat16 stores frozen weights in bfloat16 (a model that only
    plays, or the base model under LoRA adapters); weights that are trained stay in float32, and
    autocast computes in bfloat16. "auto" is bfloat16 on a GPU that computes in it (not T4 and V100,
    which emulate it), else float32."""
    lora: LoRAConfig = field(default_factory=LoRAConfig)
    """Low-rank adapters; rank 0 trains the full weights."""
    template: TemplateConfig = field(default_factory=TemplateConfig)
    """What the chat template is given beside the messages."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    attention: str | None = None
    """Attention implementation of transformers: "sdpa", "eager", "flash_attention_2" …; by default
    transformers chooses."""

    def __post_init__(self) -> None:
        if self.dtype not in get_args(DType):
            raise ValueError(
                f"dtype must be one of {', '.join(get_args(DType))}, got {self.dtype!r}."
            )
