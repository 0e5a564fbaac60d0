"""Shapes: what is counted without weights is what a real model of that shape has and keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GptOssConfig,
    LlamaConfig,
    LlamaForCausalLM,
    OlmoeConfig,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained, with_lora
from selfcorrect_agents.lm.shapes import (
    ModelShape,
    merged_experts,
    read_shape,
    scored_heads,
    shape_of,
)
from selfcorrect_agents.lm.tiny import build_tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model: Any = LlamaForCausalLM(LlamaConfig(**SIZES))
    Policy(model, build_tokenizer()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def kept(policy: Policy) -> float:
    """Bytes for each token that autograd keeps of a forward pass, weights left out."""
    ids = torch.randint(3, 20, (4, 128))
    packed = pack_rows(ids, torch.ones_like(ids, dtype=torch.bool))
    assert policy.forward_pass.startswith("own")
    policy.model.train()
    given = {weight.untyped_storage().data_ptr() for weight in policy.model.parameters()}
    sizes, alive = {}, []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given and tensor.shape[0] != SIZES["hidden_size"]:
            sizes[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.packed_hidden(packed)
    return sum(sizes.values()) / packed.ids.numel()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("rank", "adapted"), [(0, 0), (8, 0), (8, 2)])
def test_activations_are_what_autograd_keeps(
    folder: Path, rank: int, adapted: int, mixed: bool, checkpointing: bool
) -> None:
    config = ModelConfig(
        model=str(folder),
        device="cpu",
        dtype="bfloat16" if mixed else "float32",
        lora=LoRAConfig(rank=rank, layers=adapted),
        activation_checkpointing=checkpointing,
    )
    shape = read_shape(config)
    expected = shape.activations(rank=rank, mixed=mixed, checkpointing=checkpointing)
    if checkpointing:
        expected -= shape.layer(rank=rank, mixed=mixed)  # of the layer that is recomputed
    last_norm = (1 if rank else 2) * 4 * shape.hidden  # its input, and its result for its weight
    found = kept(load_pretrained(config, train=True)) - last_norm
    assert 0.88 < found / expected < 1.12


@pytest.mark.parametrize(("rank", "adapted"), [(0, 0), (4, 0), (4, 1)])
def test_weights_are_counted_without_loading_them(
    policy: Policy, tmp_path: Path, rank: int, adapted: int
) -> None:
    policy.save_pretrained(tmp_path)
    lora = LoRAConfig(rank=rank, layers=adapted)
    config = ModelConfig(model=str(tmp_path), device="cpu", lora=lora)
    loaded = load_pretrained(config, train=True)
    (tmp_path / "model.safetensors").unlink()
    shape = read_shape(config)
    trained = sum(weight.numel() for weight in loaded.trainable().values())
    assert trained == (rank * shape.ports if rank else shape.parameters)
    assert shape.vocabulary == policy.vocab_size


def test_named_layers_alone_get_adapters() -> None:
    config = Qwen2Config(**SIZES)
    attention = shape_of(config, ["q_proj", "k_proj"])
    assert attention.ports == 3 * (2 * 128 + 128 + 64)
    assert attention.parameters == shape_of(config).parameters


SMALL: dict[str, Any] = {
    "vocab_size": 19,
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "num_hidden_layers": 2,
    "pad_token_id": 0,
}
EXPERTS: dict[str, tuple[Any, int]] = {
    "qwen3_moe": (
        Qwen3MoeConfig(
            **{**SMALL, "intermediate_size": 64},
            num_experts=8,
            num_experts_per_tok=2,
            moe_intermediate_size=16,
        ),
        2 * 16,
    ),
    "qwen2_moe": (
        Qwen2MoeConfig(
            **{k: v for k, v in SMALL.items() if k != "head_dim"},
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=16,
            shared_expert_intermediate_size=20,
        ),
        2 * 16 + 20,
    ),
    "olmoe": (OlmoeConfig(**SMALL, num_experts=4, num_experts_per_tok=3), 3 * 24),
    "gpt_oss": (GptOssConfig(**SMALL, num_local_experts=4, num_experts_per_tok=2), 2 * 24),
}


@pytest.mark.parametrize("family", EXPERTS)
def test_experts_are_counted_as_they_are_adapted_and_computed(family: str) -> None:
    config, inner = EXPERTS[family]
    shape = shape_of(config)
    adapted = with_lora(AutoModelForCausalLM.from_config(config), LoRAConfig(rank=4))
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert 4 * shape.ports == trained > 0
    assert shape.inner == inner


def test_a_pass_keeps_a_copy_of_experts_with_adapters() -> None:
    """PEFT adds the adapters to all experts of a layer at once."""
    config = EXPERTS["qwen3_moe"][0]
    model = with_lora(AutoModelForCausalLM.from_config(config), LoRAConfig(rank=4))
    shape, layers = shape_of(config), config.num_hidden_layers
    experts = [it for name, it in model.named_parameters() if "experts" in name and it.ndim == 3]
    experts = [weight for weight in experts if not weight.requires_grad]
    fused = sum(weight.numel() for weight in experts)
    assert 0 < fused <= layers * shape.merged_experts < 1.05 * fused  # routers are copied, too
    assert merged_experts(model, layers) == shape.merged_experts
    sizes, alive = set[tuple[int, ...]](), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_leaf:
            sizes.add(tuple(tensor.shape))
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=torch.randint(3, 10, (1, 64)))
    per_expert = {weight.numel() // len(weight) for weight in experts}
    kept = {size[-1] * size[-2] for size in sizes if len(size) >= 2}
    assert per_expert <= kept
    assert shape_of(EXPERTS["gpt_oss"][0]).merged_experts == 0  # its attention alone is adapted


def test_convolutions_of_gpt_2_are_linear_layers() -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2)
    assert shape_of(config).ports == (8 + 24) + (8 + 8) + (8 + 32) + (32 + 8)


def test_scores_of_eager_attention_are_kept() -> None:
    sizes = {**SIZES, "head_dim": 32, "num_hidden_layers": 2}
    config = Gemma2Config(**sizes, sliding_window=4096, pad_token_id=0)
    shape = shape_of(config)
    policy = Policy(AutoModelForCausalLM.from_config(config), build_tokenizer())
    assert shape.scored_heads == scored_heads(policy.model) == 4
    ids = torch.randint(3, 20, (1, 512))
    found, alive = dict[int, int](), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        alive.append(tensor)
        return tensor

    weights = {weight.untyped_storage().data_ptr() for weight in policy.model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.packed_hidden(pack_rows(ids, torch.ones_like(ids, dtype=torch.bool)))
    kept = sum(size for place, size in found.items() if place not in weights) / 512
    planned = shape.activations(rank=0, mixed=False, checkpointing=False, length=512)
    assert 0.8 < kept / planned < 1.25
    one = shape.activations(rank=0, mixed=False, checkpointing=True, length=512)
    assert one - shape.activations(rank=0, mixed=False, checkpointing=True) == 8 * 4 * 512


@pytest.mark.parametrize(
    ("config", "attention", "heads"),
    [
        (Gemma3TextConfig(**SIZES, pad_token_id=0), "sdpa", 0),
        (Gemma3TextConfig(**SIZES, pad_token_id=0), "eager", 4),
        (LlamaConfig(**SIZES), "eager", 0),  # its attention is computed here
    ],
)
def test_other_attention_keeps_no_scores(config: Any, attention: str, heads: int) -> None:
    assert shape_of(config, attention=attention).scored_heads == heads


def test_quantised_weights_have_no_plan_without_adapters(policy: Policy, tmp_path: Path) -> None:
    policy.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text("utf-8"))
    config["quantization_config"] = {"quant_method": "fp8"}
    file.write_text(json.dumps(config), "utf-8")
    with pytest.raises(ValueError, match=r"is quantised.*--lora\.rank 16"):
        read_shape(ModelConfig(model=str(tmp_path)))
    assert read_shape(ModelConfig(model=str(tmp_path), lora=LoRAConfig(rank=4))).ports > 0


def test_a_tiny_model_is_not_trained_for_its_shape() -> None:
    shape = read_shape(ModelConfig(model="tiny:hidden_size=32,layers=5,seed=987654"))
    assert (shape.hidden, shape.layers, shape.inner) == (32, 5, 128)


def test_the_cache_has_keys_and_values_of_every_layer() -> None:
    shape = ModelShape.of(LlamaConfig(**SIZES))
    assert shape.cache(4) == 3 * 2 * 64 * 4
