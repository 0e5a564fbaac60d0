"""Random models of several architectures as policies."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.tiny import build_tokenizer

KV = {"num_key_value_heads": 2}
EXPERTS = {"sliding_window": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
GROUPS = {"n_groups": 1, "chunk_size": 8}
STATES = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_ssm": 32, "mamba_d_state": 8}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"rope_parameters": LLAMA3}),
    "smollm2": ("Llama", {**KV, "tie_word_embeddings": True}),
    "mistral": ("Mistral", {**KV, "sliding_window": None}),
    "qwen2": ("Qwen2", KV),
    "qwen3": ("Qwen3", {**KV, "head_dim": 16}),
    "olmo2": ("Olmo2", KV),
    "gemma2": ("Gemma2", {**KV, "head_dim": 8, "sliding_window": 4}),
    "gemma3": ("Gemma3", {**KV, "head_dim": 8, "sliding_window": 4, "num_hidden_layers": 6}),
    "gpt_oss": ("GptOss", {**KV, "head_dim": 8, **EXPERTS}),
    "windowed": ("Mistral", {**KV, "sliding_window": 4}),
    "gpt_neox": ("GPTNeoX", {}),
    "lfm2": ("Lfm2", {**KV, "layer_types": ["conv", "full_attention"]}),
    "falcon_h1": ("FalconH1", {**KV, "head_dim": 8, **STATES}),
    "mamba2": ("Mamba2", {"num_heads": 8, "head_dim": 8, "state_size": 8, **GROUPS}),
}
"""Class names of transformers, and options of their configurations."""

MakePolicy = Callable[..., Policy]


def _config_class(name: str) -> Any:
    return getattr(transformers, "Gemma3TextConfig" if name == "Gemma3" else f"{name}Config")


@pytest.fixture
def make_policy() -> MakePolicy:
    """Return a function of a family's name, that makes a policy with random weights."""

    def make(family: str, *, lora: bool = False, dtype: torch.dtype = torch.float32) -> Policy:
        name, options = FAMILIES[family]
        tokenizer = build_tokenizer()
        shape = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        }
        config = _config_class(name)(**{**shape, **options})
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}ForCausalLM")(config)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, float(weight.ndim == 1), 0.15)
        if lora:
            config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
            model = cast(PreTrainedModel, get_peft_model(model, config))
        return Policy(model.to(dtype).eval(), tokenizer)

    return make
