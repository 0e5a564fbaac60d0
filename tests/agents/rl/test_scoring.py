"""Scoring in chunks of tokens: the same numbers, and never the logits of a whole rollout."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.testing import assert_close
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.pretrained import checkpoint_activations
from selfcorrect_agents.lm.references import AdapterOff, FrozenCopy
from selfcorrect_agents.rl import token_terms
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import Scores, micro_batches, score, score_in_parts
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
    monkeypatch.setattr(token_terms, "CHUNK", columns * len(rollout) * policy.vocab_size)
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
    monkeypatch.setattr(token_terms, "CHUNK", chunk)
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
        expected = logps.gather(-1, chosen)[..., 0].where(rollout.mask, 0.0)
        assert_close(ours, expected)


def test_a_policy_against_itself_has_no_divergence(policy: Policy, rollout: Rollout) -> None:
    scores = score(policy, policy, rollout)
    assert_close(scores.kl, torch.zeros_like(scores.kl), atol=1e-6, rtol=0)
    assert torch.equal(scores.logps, scores.ref_logps)


def ragged(rows: int, samples: int, seed: int) -> Rollout:
    """Episodes with padding in any place; only the sizes matter."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows * samples, 9, generator=generator) < 0.4
    mask[:, 0] = True
    nothing = torch.zeros(len(mask), 0)
    return Rollout(
        ids=mask.long(),
        attention_mask=mask,
        columns=torch.zeros(0, dtype=torch.long),
        sampled=nothing.long(),
        turn=torch.zeros(0, dtype=torch.long),
        mask=nothing.bool(),
        logps=nothing,
        scores=torch.zeros(len(mask), 2),
        judged=torch.ones(len(mask), dtype=torch.bool),
        samples=samples,
        temperature=1.0,
        episodes=(),
    )


@given(
    problems=st.integers(1, 6),
    samples=st.integers(1, 5),
    tokens=st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_micro_batches_hold_every_row_once_and_no_more_tokens_than_allowed(
    problems: int, samples: int, tokens: int, seed: int
) -> None:
    rollout = ragged(problems, samples, seed)
    parts = micro_batches(rollout, tokens)
    rows = [row for part in parts for row in range(part.start, part.stop)]
    assert rows == list(range(len(rollout)))
    group = max(len(p) * 9 for p in rollout.attention_mask.split(samples))
    for part in parts:
        mask = rollout.attention_mask[part]
        assert len(mask) == 1 or len(mask) * int(mask.any(dim=0).sum()) <= tokens
        if group <= tokens:  # every problem fits: none is cut
            assert part.start % samples == part.stop % samples == 0


def test_scores_without_gradient_are_the_same_in_any_parts(
    policy: Policy, other_policy: Policy, rollout: Rollout
) -> None:
    reference = FrozenCopy(other_policy)
    whole = score(policy, reference, rollout)
    for tokens in (1, 60, 100, None):
        parts = score_in_parts(policy, reference, rollout, tokens)
        for name in ("logps", "ref_logps", "kl", "entropy"):
            assert_close(getattr(parts, name), getattr(whole, name).detach())
            assert not getattr(parts, name).requires_grad


def test_padding_scores_zero_and_is_not_computed(
    policy: Policy, rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.mask[:, -1] = False
    rollout.mask[0] = False
    rows, head = [], policy.head

    def watched(hidden: Tensor) -> Tensor:
        rows.append(len(hidden))
        return head(hidden)

    monkeypatch.setattr(policy, "head", watched)
    scores = score(policy, policy, rollout)
    assert sum(rows) == rollout.tokens
    assert scores.logps[~rollout.mask].abs().sum() == 0
    assert (scores.logps[rollout.mask] < 0).all()


def test_columns_that_are_padding_in_every_row_are_not_read(
    policy: Policy, rollout: Rollout
) -> None:
    whole = score(policy, policy, rollout)
    rows, columns = rollout.ids.shape
    wider = replace(
        rollout,
        ids=torch.cat([rollout.ids.new_zeros(rows, 4), rollout.ids], dim=1),
        attention_mask=torch.cat([rollout.mask.new_zeros(rows, 4), rollout.attention_mask], dim=1),
        columns=rollout.columns + 4,
    )
    assert_close(score(policy, policy, wider).logps, whole.logps)
    assert micro_batches(wider, rows * columns) == [slice(0, rows)]


class Waves(LlamaForCausalLM):
    """A model that does to its logits what nobody knows."""

    def forward(self, *args: Any, **options: Any) -> Any:
        output = super().forward(*args, **options)
        output.logits = output.logits.sin()
        return output


CHANGED: dict[str, tuple[type[PreTrainedModel], Any, dict[str, Any]]] = {
    "capped": (Gemma2ForCausalLM, Gemma2Config, {"head_dim": 8, "final_logit_softcapping": 0.05}),
    "capped, little": (Gemma2ForCausalLM, Gemma2Config, {"head_dim": 8}),
    "divided": (GraniteForCausalLM, GraniteConfig, {"logits_scaling": 8.0}),
    "multiplied": (CohereForCausalLM, CohereConfig, {"logit_scale": 0.0625}),
    "as they are": (LlamaForCausalLM, LlamaConfig, {}),
    "unknown": (Waves, LlamaConfig, {}),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_logits_are_those_of_the_model_whatever_it_does_to_them(policy: Policy, kind: str) -> None:
    """What is known is done to a chunk at a time: hidden states are all there is of every token."""
    torch.manual_seed(0)
    made, config, options = CHANGED[kind]
    model = made(
        config(
            vocab_size=len(policy.tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=1.0,
            pad_token_id=0,
            **options,
        )
    ).eval()
    changed = Policy(model, policy.tokenizer)
    ids = torch.tensor([[3, 4, 5, 6]])
    columns, ones = torch.tensor([1, 2, 3]), torch.ones_like(ids, dtype=torch.bool)
    expected = model(input_ids=ids).logits[:, :-1]
    assert_close(changed.logits(ids, ones, columns), expected)
    with torch.no_grad():
        assert_close(changed.logits(ids, ones, columns), expected)
    width = 16 if kind != "unknown" else changed.vocab_size
    assert changed.hidden(ids, ones, columns).shape == (1, 3, width)
    assert changed.packed_hidden(pack_rows(ids, ones)).shape == (4, width)
    assert changed.makes_logits is (kind != "unknown")
    of_hidden, of_model = (
        torch.autograd.grad(logits.square().sum(), list(changed.trainable().values()))
        for logits in (changed.logits(ids, ones, columns), model(input_ids=ids).logits[:, :-1])
    )
    assert_close(of_hidden, of_model, rtol=1e-4, atol=1e-3)


FAMILIES: dict[str, Callable[..., Any]] = {
    "Llama": lambda **sizes: LlamaForCausalLM(LlamaConfig(**sizes)),
    "Qwen 2, tied": lambda **sizes: Qwen2ForCausalLM(
        Qwen2Config(tie_word_embeddings=True, **sizes)
    ),
    "Qwen 3": lambda **sizes: Qwen3ForCausalLM(Qwen3Config(head_dim=8, **sizes)),
    "OLMo 2": lambda **sizes: Olmo2ForCausalLM(Olmo2Config(**sizes)),
    "Gemma 2": lambda **sizes: Gemma2ForCausalLM(Gemma2Config(head_dim=8, **sizes)),
    "GPT-2": lambda **sizes: GPT2LMHeadModel(
        GPT2Config(vocab_size=sizes["vocab_size"], n_embd=32, n_layer=2, n_head=4)
    ),
}


LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", "c_attn", "c_fc"]


def of_family(name: str, tokenizer: Any, lora: bool, *, upper: bool = False) -> Policy:
    """A random model; with adapters (in its last layer alone), second matrices are random, too."""
    torch.manual_seed(0)
    model = FAMILIES[name](
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    ).eval()
    if lora:
        transposed = name == "GPT-2"
        adapter = LoraConfig(
            r=2,
            target_modules=LINEAR if upper else "all-linear",
            fan_in_fan_out=transposed,
            layers_to_transform=[1] if upper else None,
        )
        model = get_peft_model(model, adapter)
        for weight_name, weight in model.named_parameters():
            if "lora_B" in weight_name:
                weight.data.normal_(0, 0.2)
    return Policy(cast(PreTrainedModel, model), tokenizer)


def row_by_row(policy: Policy, reference: Policy, rollout: Rollout) -> Tensor:
    """``(log π + 0.1 KL)`` of all sampled tokens, by the model's own forward of each row alone."""
    total = torch.zeros(())
    for row in range(len(rollout)):
        ids = rollout.ids[row][rollout.attention_mask[row]][None]
        place = rollout.attention_mask[row].cumsum(0)[rollout.columns[rollout.mask[row]]] - 2
        log_p = policy.model(input_ids=ids).logits[0, place].log_softmax(-1)
        with torch.no_grad(), reference.computing():
            log_q = reference.model(input_ids=ids).logits[0, place].log_softmax(-1)
        total = total + log_p.gather(1, rollout.sampled[row][rollout.mask[row]][:, None]).sum()
        total = total + 0.1 * (log_p.exp() * (log_p - log_q)).sum()
    return total


@pytest.mark.parametrize(
    ("name", "lora", "upper", "checkpointing"),
    [
        *((name, lora, False, False) for name in FAMILIES for lora in (False, True)),
        *((name, True, True, False) for name in FAMILIES),
        *(("Llama", False, False, True), ("Llama", True, False, True), ("Llama", True, True, True)),
        ("Gemma 2", True, False, True),
    ],
)
def test_a_shared_prompt_changes_no_gradient(
    policy: Policy, env: SelfCorrectEnv, name: str, lora: bool, upper: bool, checkpointing: bool
) -> None:
    """Ragged groups of four, packed and with shared prompts, against each row alone."""
    made = of_family(name, policy.tokenizer, lora, upper=upper)
    reference = (
        AdapterOff(made) if lora else FrozenCopy(of_family("Llama", policy.tokenizer, False))
    )
    venv = SelfCorrectVectorEnv.like(env, 12, autoreset_mode=AutoresetMode.DISABLED)
    generator = torch.Generator().manual_seed(1)
    rollout = collect(made, venv, [0, 1, 2], samples=4, max_new_tokens=6, generator=generator)
    assert len(set(rollout.mask.sum(1).tolist())) > 1
    weights = list(made.trainable().values())
    expected = torch.autograd.grad(row_by_row(made, reference, rollout), weights)
    if checkpointing:
        checkpoint_activations(made.model)
        made.model.train()
    scores = score(made, reference, rollout)
    found = torch.autograd.grad((scores.logps + 0.1 * scores.kl).sum(), weights)
    size = torch.cat([gradient.flatten() for gradient in expected]).norm()
    difference = torch.cat([(a - b).flatten() for a, b in zip(found, expected, strict=True)]).norm()
    assert difference <= 1e-4 * size


def test_layers_below_the_adapters_are_computed_once(
    policy: Policy, env: SelfCorrectEnv, rollout: Rollout
) -> None:
    made = of_family("Llama", policy.tokenizer, lora=True, upper=True)
    decoder = made.decoder
    assert decoder is not None
    assert decoder.shared_layers == 1
    calls = [0, 0]
    layers = cast(Any, made.model).get_base_model().get_decoder().layers

    def counting(number: int) -> Callable[..., None]:
        def count(*_: Any) -> None:
            calls[number] += 1

        return count

    for number in (0, 1):
        layers[number].mlp.down_proj.register_forward_hook(counting(number))
    reference = AdapterOff(made)
    assert reference.decoder is not None
    calls[:] = [0, 0]
    score(made, reference, rollout)
    assert calls == [1, 2]


def test_what_is_trained_below_the_adapters_is_not_computed_once(policy: Policy) -> None:
    """Whole modules and biases that an adapter has beside the layers of its own."""
    every: list[dict[str, Any]] = [{"modules_to_save": ["embed_tokens"]}, {"bias": "all"}]
    for settings in every:
        config = LlamaConfig(
            vocab_size=policy.vocab_size, hidden_size=16, intermediate_size=16,
            num_hidden_layers=2, num_attention_heads=2, attention_bias=True, pad_token_id=0,
        )  # fmt: skip
        lora = LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=[1], **settings)
        model = cast(Any, get_peft_model(cast(Any, LlamaForCausalLM(config)), lora))
        made = Policy(model.eval(), policy.tokenizer)
        assert made.decoder is not None
        ids = torch.tensor([[3, 4, 5, 6]])
        logits = made.logits(ids, torch.ones_like(ids).bool(), torch.tensor([1, 2, 3]))
        below = {n: w for n, w in made.trainable().items() if "layers.1." not in n}
        below = {n: w for n, w in below.items() if "lm_head" not in n and "norm" not in n}
        assert below
        found = torch.autograd.grad(logits.sum(), list(below.values()), allow_unused=True)
        missing = [n for n, g in zip(below, found, strict=True) if g is None]
        assert not missing, settings
