"""What is trained computes what was sampled: no dropout, no noise of experts, in any family."""

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import checkpoint_activations
from selfcorrect_agents.lm.tiny import build_tokenizer
from selfcorrect_agents.lm.training_mode import recomputing

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
INNER = {**SIZES, "intermediate_size": 32}
NOISY: dict[str, tuple[str, dict[str, Any]]] = {
    "opt": ("OPT", {**SIZES, "ffn_dim": 32, "word_embed_proj_dim": 16, "dropout": 0.5}),
    "opt_layers": ("OPT", {**SIZES, "ffn_dim": 32, "word_embed_proj_dim": 16, "layerdrop": 0.5}),
    "bloom": ("Bloom", {"hidden_size": 16, "n_layer": 2, "n_head": 2, "hidden_dropout": 0.5}),
    "mpt": ("Mpt", {"d_model": 16, "n_layers": 2, "n_heads": 2, "resid_pdrop": 0.5}),
    "gpt2": ("GPT2", {"n_embd": 16, "n_layer": 2, "n_head": 2, "resid_pdrop": 0.5}),
    "phi_moe": ("Phimoe", {**INNER, "num_key_value_heads": 1, "num_local_experts": 4}),
}
"""Families whose training mode draws random numbers: class names, and options."""
CLASSES = {"OPT": "OPTForCausalLM", "GPT2": "GPT2LMHeadModel"}


def noisy(family: str) -> Policy:
    name, options = NOISY[family]
    tokenizer = build_tokenizer()
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = getattr(transformers, f"{name}Config")
    made = config(vocab_size=len(tokenizer), bos_token_id=None, **ends, **options)
    torch.manual_seed(0)
    model = getattr(transformers, CLASSES.get(name, f"{name}ForCausalLM"))(made)
    return Policy(model.eval(), tokenizer)


def logits(policy: Policy) -> torch.Tensor:
    ids = torch.arange(3, 11)[None]
    return policy.logits(ids, torch.ones_like(ids, dtype=torch.bool), torch.arange(1, 8))


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("family", NOISY)
def test_a_step_scores_the_policy_that_sampled(family: str, checkpointed: bool) -> None:
    policy = noisy(family)
    expected = logits(policy).detach()
    if checkpointed:
        checkpoint_activations(policy.model)
    learner = Learner(policy.model, adamw(policy.model, 0.0), max_grad_norm=0.0)
    found: list[torch.Tensor] = []

    def losses():  # type: ignore[no-untyped-def]
        for _ in range(2):
            found.append(logits(policy))
            yield found[-1].sum()

    learner.step(losses())
    torch.testing.assert_close(found, [expected, expected])


@pytest.mark.parametrize("family", NOISY)
def test_a_model_in_training_mode_is_put_into_evaluation_mode(family: str) -> None:
    """A fresh adapter is in training mode, and so is a model after a user's own training."""
    expected = logits(noisy(family))
    model = noisy(family).model
    model.train()
    policy = Policy(model, build_tokenizer())
    assert not any(module.training for module in model.modules())
    torch.testing.assert_close(logits(policy), expected)


@pytest.mark.parametrize("family", ["opt", "bloom", "mpt"])
def test_no_dropout_is_left_for_a_trainer_that_turns_training_mode_on(family: str) -> None:
    policy = noisy(family)
    expected = logits(policy)
    policy.model.train()
    torch.testing.assert_close(logits(policy), expected)


def test_layers_that_recompute_are_in_training_mode_and_nothing_else() -> None:
    policy = noisy("gpt2")
    policy.model.train()
    with recomputing(policy.model):
        assert not any(module.training for module in policy.model.modules())
    checkpoint_activations(policy.model)
    with recomputing(policy.model):
        training = {type(m).__name__ for m in policy.model.modules() if m.training}
        assert "GPT2Block" in training
        assert not training & {"GPT2Attention", "GPT2MLP", "Dropout", "GPT2LMHeadModel"}
    assert all(module.training for module in policy.model.modules())


def test_modes_are_as_before_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(1, 1).train(), nn.Linear(1, 1).eval())
    with pytest.raises(KeyError), recomputing(model):
        raise KeyError
    assert [module.training for module in model] == [True, False]
