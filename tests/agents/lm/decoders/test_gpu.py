"""On a GPU: captured decoding steps draw what steps on a CPU draw; scores and gradients agree."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.testing import assert_close
from transformers import Qwen2Config, Qwen2ForCausalLM

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.decoders.attention import grouped_attention, unseen_score
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import CachedSampler, Turn
from selfcorrect_agents.lm.tiny import build_tokenizer
from selfcorrect_agents.lm.turns import TurnEnds

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [9, 9, 4], [12, 13, 14, 15, 3, 4, 5, 6, 7, 8, 9, 10]]


def policies(*, adapter: bool, heads: int = 4) -> tuple[Policy, Policy]:
    """The same model on the CPU and on the GPU."""
    tokenizer = build_tokenizer()
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    config = Qwen2Config(
        vocab_size=len(tokenizer), num_attention_heads=heads, num_key_value_heads=2, **sizes
    )
    model: Any = Qwen2ForCausalLM(config)
    if adapter:
        model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    there = copy.deepcopy(model).cuda()
    return Policy(model.eval(), tokenizer), Policy(there.eval(), tokenizer)


def turns(policy: Policy, rows_at_once: int | None, temperature: float) -> list[Turn]:
    ends = TurnEnds(pad_id=0, end_ids=frozenset({5, 11}))
    context = CachedSampler(policy, ends, rows_at_once).start(PROMPTS, samples=4)
    found = []
    for _ in range(2):
        generator = torch.Generator(policy.device).manual_seed(3)
        found.append(context.sample(24, temperature, generator))
        context.read([[7, 8, 9]] * 12)
    return found


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("rows_at_once", [None, 5])
def test_a_captured_step_takes_the_same_most_likely_tokens(
    adapter: bool, rows_at_once: int | None
) -> None:
    here, there = policies(adapter=adapter)
    assert there.decoder is not None
    for ours, theirs in zip(turns(here, None, 0.0), turns(there, rows_at_once, 0.0), strict=True):
        assert theirs.ids.cpu().tolist() == ours.ids.tolist()
        assert theirs.mask.cpu().tolist() == ours.mask.tolist()


@pytest.mark.parametrize("rows_at_once", [None, 5])
def test_log_probabilities_of_captured_steps_are_those_of_scoring(rows_at_once: int | None) -> None:
    _, there = policies(adapter=True)
    ends = TurnEnds(pad_id=0, end_ids=frozenset({5, 11}))
    context = CachedSampler(there, ends, rows_at_once).start(PROMPTS, samples=4)
    turn = context.sample(24, 1.0, torch.Generator("cuda").manual_seed(3))
    start = context.ids.shape[1] - turn.ids.shape[1]
    columns = torch.arange(start, context.ids.shape[1], device="cuda")
    with torch.no_grad():
        logps = there.logits(context.ids, context.mask, columns).log_softmax(-1)
    found = logps.gather(-1, turn.ids[..., None])[..., 0]
    assert_close(turn.logps[turn.mask], found[turn.mask], atol=1e-4, rtol=0)


def test_gradients_of_shared_prompts_are_those_on_a_cpu() -> None:
    gradients = []
    for policy in policies(adapter=True):
        ids = torch.randint(3, 14, (8, 12), generator=torch.Generator().manual_seed(0))
        ids[:4, :6], ids[4:, :6] = ids[0, :6].clone(), ids[4, :6].clone()
        mask = torch.ones_like(ids, dtype=torch.bool)
        mask[1, 9:] = False
        packed = pack_rows(ids.to(policy.device), mask.to(policy.device), samples=4)
        policy.model.zero_grad()
        policy.packed_hidden(packed).square().sum().backward()
        gradients.append([cast(Any, w.grad).cpu() for w in policy.trainable().values()])
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(theirs, ours, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("length", [64, 192, 200])
def test_gradients_are_finite_where_all_scores_of_a_query_are_very_low(length: int) -> None:
    """At 64 more than a multiple of 128, attention by cuDNN has other gradients."""
    policies(adapter=False)
    generator = torch.Generator("cuda").manual_seed(0)
    drawn = torch.randn(3, 2, 4, length, 64, device="cuda", generator=generator)
    queries, keys, values = (0.1 * drawn).bfloat16()
    queries[..., 0], keys[..., 0] = 1.0, -120 * 64**0.5  # every score is about -120
    inputs = [x.clone().requires_grad_() for x in (queries, keys, values)]
    seen = torch.ones(length, length, dtype=torch.bool, device="cuda").tril()
    mask = torch.zeros(2, 1, length, length, device="cuda", dtype=torch.bfloat16)
    attended = grouped_attention(
        inputs[0], inputs[1], inputs[2], mask=mask.masked_fill(~seen, unseen_score(mask.dtype))
    )
    attended.float().square().sum().backward()
    assert all(bool(cast(Any, x.grad).isfinite().all()) for x in inputs)
