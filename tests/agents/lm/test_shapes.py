"""Shapes: what is counted without weights is what a real model of that shape has and keeps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import load_pretrained
from selfcorrect_agents.lm.shapes import ModelShape, read_shape, shape_of
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


def test_a_tiny_model_is_not_trained_for_its_shape() -> None:
    shape = read_shape(ModelConfig(model="tiny:hidden_size=32,layers=5,seed=987654"))
    assert (shape.hidden, shape.layers, shape.inner) == (32, 5, 128)


def test_the_cache_has_keys_and_values_of_every_layer() -> None:
    shape = ModelShape.of(LlamaConfig(**SIZES))
    assert shape.cache(4) == 3 * 2 * 64 * 4
