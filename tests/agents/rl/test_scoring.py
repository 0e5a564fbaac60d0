"""Scoring in chunks of columns: the same numbers, and never the logits of a whole rollout."""

from typing import cast

import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor
from torch.testing import assert_close
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_agents.rl import scoring
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import Scores, in_chunks, score
from selfcorrect_env import SelfCorrectEnv, SelfCorrectVectorEnv


@pytest.fixture
def rollout(policy: Policy, env: SelfCorrectEnv) -> Rollout:
    venv = SelfCorrectVectorEnv.like(env, 6, autoreset_mode=AutoresetMode.DISABLED)
    generator = torch.Generator().manual_seed(3)
    return collect(
        policy, venv, [0, 1, 2], samples=2, max_new_tokens=5, temperature=0.7, generator=generator
    )


def both(policy: Policy, reference: Policy, rollout: Rollout) -> tuple[Scores, list[Tensor]]:
    scores = score(policy, reference, rollout)
    total = (scores.logps + 0.1 * scores.kl).sum()
    return scores, list(torch.autograd.grad(total, list(policy.trainable().values())))


@pytest.mark.parametrize("columns", [1, 3])
def test_chunks_change_no_value_and_no_gradient(
    policy: Policy,
    other_policy: Policy,
    rollout: Rollout,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = FrozenCopy(other_policy)
    whole, gradient = both(policy, reference, rollout)
    monkeypatch.setattr(scoring, "CHUNK", columns * len(rollout) * policy.vocab_size)
    parts, by_parts = both(policy, reference, rollout)
    for name in ("logps", "ref_logps", "kl", "entropy"):
        assert_close(getattr(parts, name), getattr(whole, name))
    assert whole.kl.abs().max() > 1e-3
    assert_close(by_parts, gradient, atol=1e-6, rtol=1e-4)


def test_no_more_logits_at_a_time_than_a_chunk_holds(
    policy: Policy, rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = 2 * len(rollout) * policy.vocab_size
    made: list[int] = []
    head = policy.head

    def watched(hidden: Tensor) -> Tensor:
        logits = head(hidden)
        made.append(logits.numel())
        return logits

    monkeypatch.setattr(policy, "head", watched)
    monkeypatch.setattr(scoring, "CHUNK", chunk)
    score(policy, policy, rollout).logps.sum().backward()
    assert max(made) <= chunk < len(rollout) * len(rollout.columns) * policy.vocab_size


def test_the_temperature_is_that_of_both_policies(
    policy: Policy, other_policy: Policy, rollout: Rollout
) -> None:
    scores = score(policy, FrozenCopy(other_policy), rollout)
    inputs = rollout.ids, rollout.attention_mask, rollout.columns
    chosen = rollout.ids[:, rollout.columns].unsqueeze(-1)
    for ours, model in ((scores.logps, policy), (scores.ref_logps, other_policy)):
        logps = (model.logits(*inputs) / 0.7).log_softmax(-1)
        assert_close(ours, logps.gather(-1, chosen)[..., 0])


def test_a_policy_against_itself_has_no_divergence(policy: Policy, rollout: Rollout) -> None:
    scores = score(policy, policy, rollout)
    assert_close(scores.kl, torch.zeros_like(scores.kl), atol=1e-6, rtol=0)
    assert torch.equal(scores.logps, scores.ref_logps)


def test_chunks_of_a_function_of_several_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 4)
    a, b = torch.rand(2, 7, 3), torch.rand(2, 7)
    sums, products = in_chunks(lambda x, y: (x.sum(-1) + y, x[..., 0] * y), 1, a, b)
    assert_close(sums, a.sum(-1) + b)
    assert_close(products, a[..., 0] * b)


def test_a_model_that_caps_its_logits_is_scored_by_its_own(policy: Policy) -> None:
    """Gemma 2 caps logits after its output layer: the layer alone would give others."""
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(policy.tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        final_logit_softcapping=0.05,
        initializer_range=1.0,
    )
    model = Gemma2ForCausalLM(config).eval()
    capped = Policy(cast(PreTrainedModel, model), policy.tokenizer)
    ids = torch.tensor([[3, 4, 5, 6]])
    columns, ones = torch.tensor([1, 2, 3]), torch.ones_like(ids, dtype=torch.bool)
    expected = model(input_ids=ids).logits[:, :-1]
    assert expected.abs().max() <= 0.05
    assert_close(capped.logits(ids, ones, columns), expected)
