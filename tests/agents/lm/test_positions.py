"""Rows longer than a model was made for: an error with a table of positions, else a warning."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTJConfig,
    LlamaConfig,
    OPTConfig,
    Phi3Config,
)

from selfcorrect_agents.errors import UnsupportedModelError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.positions import PositionLimit, position_limit
from selfcorrect_agents.lm.tiny import build_tokenizer

LLAMA: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 300,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}
LONGROPE = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
SMALL = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
OPT = {"hidden_size": 16, "ffn_dim": 16, "word_embed_proj_dim": 16, "num_attention_heads": 2}
LIMITS: dict[str, tuple[Any, PositionLimit | None]] = {
    "gpt2": (GPT2Config(**SMALL), PositionLimit(16, True)),
    "gptj": (GPTJConfig(**SMALL, rotary_dim=4), PositionLimit(16, True)),
    "opt": (
        OPTConfig(**OPT, num_hidden_layers=1, max_position_embeddings=16),
        PositionLimit(16, True),
    ),
    "llama": (LlamaConfig(**LLAMA), PositionLimit(300, False)),
    "toy": (LlamaConfig(**{**LLAMA, "max_position_embeddings": 128}), None),
    "scaled": (
        LlamaConfig(**LLAMA, rope_parameters={**YARN, "original_max_position_embeddings": 300}),
        PositionLimit(1200, False),
    ),
    "named after scaling": (
        LlamaConfig(
            **{**LLAMA, "max_position_embeddings": 1200},
            rope_parameters={**YARN, "original_max_position_embeddings": 300},
        ),
        PositionLimit(1200, False),
    ),
    "longrope": (
        Phi3Config(
            **{**LLAMA, "max_position_embeddings": 1200},
            original_max_position_embeddings=30,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "original_max_position_embeddings": 30,
                **LONGROPE,
            },
        ),
        PositionLimit(30, True),
    ),
    "bloom": (BloomConfig(hidden_size=16, n_layer=1, n_head=2), None),
}


def policy_of(family: str) -> Policy:
    tokenizer = build_tokenizer()
    config = LIMITS[family][0]
    config.vocab_size = len(tokenizer)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = None, 2, 0
    return Policy(AutoModelForCausalLM.from_config(config).eval(), tokenizer)


@pytest.mark.parametrize("family", LIMITS)
def test_the_limit_is_that_of_the_configuration(family: str) -> None:
    assert position_limit(policy_of(family).model) == LIMITS[family][1]


@pytest.mark.parametrize("family", ["gpt2", "gptj", "opt"])
def test_without_positions_nothing_is_sampled(family: str) -> None:
    policy = policy_of(family)
    policy.sampler.start([[5] * 12]).sample(4, 1.0)
    context = policy.sampler.start([[5] * 12, [5] * 6])
    with pytest.raises(UnsupportedModelError, match=r"20 tokens.* 16: .*--max-new-tokens"):
        context.sample(8, 1.0)
    context = policy.sampler.start([[5] * 8])
    context.sample(4, 0.0)
    context.read([[6] * 4])
    with pytest.raises(UnsupportedModelError, match="made for 16"):
        context.sample(8, 0.0)


def sample_twice(policy: Policy) -> None:
    for _ in range(2):
        policy.sampler.start([[5] * 300]).sample(8, 1.0)


def test_computed_positions_go_on_with_one_warning() -> None:
    policy = policy_of("llama")
    with pytest.warns(UserWarning, match=r"308 tokens.* 300: .*--max-new-tokens") as caught:
        sample_twice(policy)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy_of("llama").sampler.start([[5] * 292]).sample(8, 1.0)
        policy_of("toy").sampler.start([[5] * 128]).sample(8, 1.0)


def test_no_row_grows_into_other_rotary_positions() -> None:
    """With longrope, a batch with one long row gives other probabilities to its short ones."""
    policy = policy_of("longrope")
    policy.sampler.start([[5] * 22]).sample(8, 1.0)
    with pytest.raises(UnsupportedModelError, match=r"31 tokens.* 30: .*longrope"):
        policy.sampler.start([[5] * 23]).sample(8, 1.0)
