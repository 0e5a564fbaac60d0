"""Models by name."""

import os
from pathlib import Path

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.loading import load_policy, parse_tiny
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import dtype_of
from selfcorrect_agents.lm.shapes import read_tokenizer
from selfcorrect_agents.lm.tiny import TinyConfig, build_tokenizer
from selfcorrect_env import SelfCorrectEnv, UnknownNameError, play


def test_options_of_the_tiny_model() -> None:
    assert parse_tiny("tiny") == TinyConfig()
    assert parse_tiny("tiny:seed=2,copy=0.5") == TinyConfig(seed=2, copy=0.5)
    assert parse_tiny("tiny:slips=0.25,fix=0.01") == TinyConfig(slips=0.25, fix=0.01)
    assert parse_tiny("tiny:task=toycode") == TinyConfig(task="toycode")


def test_unknown_and_unreadable_options_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'stpes'.*Did you mean 'steps'"):
        parse_tiny("tiny:stpes=3")
    with pytest.raises(ValueError, match="steps must be a number"):
        parse_tiny("tiny:steps=few")


def test_a_folder_is_loaded(policy: Policy, tmp_path: Path) -> None:
    policy.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path).model.state_dict()
    assert all(torch.equal(w, loaded[n]) for n, w in policy.model.state_dict().items())


def test_what_is_trained_is_taken_back_without_rounding(policy: Policy, tmp_path: Path) -> None:
    """A frozen part in bfloat16 stands first among the weights."""
    policy.model.to(torch.bfloat16)
    embeddings = policy.model.get_input_embeddings()
    embeddings.requires_grad_(False)
    for weight in policy.trainable().values():
        weight.data = weight.data.float() * (1 + 1e-4)
    assert next(policy.model.parameters()).dtype == torch.bfloat16
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    policy.save_pretrained(tmp_path)
    for weight in policy.model.parameters():
        weight.data.zero_()
    policy.load_weights(tmp_path)
    after = policy.model.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    assert {weight.dtype for weight in after.values()} == {torch.bfloat16, torch.float32}


def test_mistral_common_is_not_taken_for_the_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, transformers takes a tokenizer without chat template where tekken.json is."""
    shape = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    MistralForCausalLM(MistralConfig(**shape, **heads)).save_pretrained(tmp_path)
    build_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "tekken.json").write_text("{}")
    probe = "transformers.integrations.mistral.tokenizer.is_mistral_common_available"
    monkeypatch.setattr(probe, lambda: True)
    assert not Policy.from_pretrained(tmp_path).chat.is_plain
    assert read_tokenizer(ModelConfig(model=str(tmp_path))).chat_template


def test_a_model_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        load_policy(tmp_path / "nowhere")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(ValueError, match=f"Device '{device}' can't be used"):
        load_policy("tiny", device=device)


@pytest.mark.parametrize(
    ("capability", "hip", "dtype"),
    [
        ((7, 0), None, torch.float32),  # V100
        ((7, 5), None, torch.float32),  # T4
        ((8, 0), None, torch.bfloat16),
        ((12, 0), None, torch.bfloat16),
        ((9, 0), "6.2", torch.bfloat16),
    ],
)
def test_a_gpu_that_emulates_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], hip: str | None, dtype: object
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    assert dtype_of(ModelConfig(device="cuda:0")) == dtype
    assert dtype_of(ModelConfig(device="cuda:0", dtype="bfloat16")) == torch.bfloat16


@pytest.mark.skipif(
    "SELFCORRECT_TEST_GGUF" not in os.environ,
    reason="SELFCORRECT_TEST_GGUF names no .gguf file of an instruction-tuned model",
)
def test_a_gguf_file_plays_and_can_be_saved(tmp_path: Path) -> None:
    policy = load_policy(os.environ["SELFCORRECT_TEST_GGUF"])
    env = SelfCorrectEnv([{"prompt": "What is 2 + 2?", "reference": "4"}], prompts="plain")
    (episode,) = play(LanguageModelAgent(policy, max_new_tokens=8), env)
    assert all(attempt.tokens for attempt in episode.attempts)
    policy.save_pretrained(tmp_path)
    ids = torch.tensor([policy.chat.prompt_ids(episode.conversation[:1])])
    again = Policy.from_pretrained(tmp_path)
    assert torch.equal(policy.model(ids).logits, again.model(ids).logits)
