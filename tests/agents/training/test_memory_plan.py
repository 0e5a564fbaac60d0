"""The plan of a run's memory: its parts, how a step is cut, and that steps keep to the cut."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import CachedSampler
from selfcorrect_agents.lm.shapes import ModelShape, shape_of
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRLConfig
from selfcorrect_agents.methods.pag import PAGConfig
from selfcorrect_agents.methods.pag.verification import Verification, VerifiedEnv
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.methods.star import STaRConfig
from selfcorrect_agents.training import memory_plan
from selfcorrect_agents.training.config import from_flat
from selfcorrect_agents.training.memory_plan import (
    Work,
    bytes_of_token,
    computed_share,
    fitting_rows,
    fitting_tokens,
    plan,
)
from selfcorrect_agents.training.memory_split import Split, read_tokens, resumed, split_of
from selfcorrect_agents.training.trainer import Trainer
from selfcorrect_env import SelfCorrectEnv

SHAPE = ModelShape(
    layers=28,
    hidden=1536,
    inner=8960,
    queries=1536,
    keys=256,
    vocabulary=151_936,
    parameters=1_543_714_304,
    ports=1_154_048,
)
WORK = Work(
    device="cuda", memory=24 * 10**9, mixed=True, rank=16, checkpointing=True,
    episodes=64, read=300, sampled=1024,
)  # fmt: skip


def test_the_parts_by_hand() -> None:
    full = plan(SHAPE, replace(WORK, rank=0))
    assert full.weights == full.reference == 4 * SHAPE.parameters
    assert full.gradients == 4 * (SHAPE.parameters + SHAPE.vocabulary * SHAPE.hidden)
    assert full.optimizer == 8 * SHAPE.parameters
    assert full.checkpoint == 12 * SHAPE.parameters
    lora, adapters = plan(SHAPE, WORK), 16 * SHAPE.ports
    assert lora.weights == 2 * SHAPE.parameters + 4 * adapters
    assert (lora.reference, lora.gradients, lora.optimizer) == tuple(
        each * adapters for each in (4, 4, 8)
    )
    assert lora.cache == lora.rows_at_once * 1324 * 28 * 2 * 256 * 2
    assert plan(SHAPE, replace(WORK, optimizer="adamw_8bit")).optimizer == 2 * adapters
    assert plan(SHAPE, replace(WORK, optimizer="paged_adamw_8bit")).optimizer == 0


@pytest.mark.parametrize(
    ("sizes", "peak"),
    [
        ((896, 4864, 24, 14, 2, 151_936, True), 2.90e9),
        ((1536, 8960, 28, 12, 2, 151_936, True), 6.45e9),
        ((3584, 18944, 28, 28, 4, 152_064, False), 22.32e9),
    ],
)
def test_peaks_that_were_measured_on_a_gpu(sizes: tuple[Any, ...], peak: float) -> None:
    """Of `benchmarks/gpu_check.py` on an H200: benchmarks/results/gpu-h200.md."""
    hidden, inner, layers, heads, kv_heads, vocabulary, tied = sizes
    config = Qwen2Config(
        hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, vocab_size=vocabulary,
        tie_word_embeddings=tied,
    )  # fmt: skip
    share = computed_share(200, 460, 8)
    work = replace(WORK, memory=140 * 10**9, episodes=128, read=204, sampled=256, computed=share)
    found = plan(shape_of(config), work)
    assert found.tokens_per_forward == 16_384
    assert peak <= found.peak < 1.1 * peak


def test_a_shared_prompt_is_computed_once() -> None:
    """8 episodes of 100 tokens, of which 40 are shared: 8 · 60 + 40 tokens instead of 800."""
    share = computed_share(40, 100, 8)
    assert share * 800 == pytest.approx(520)
    assert computed_share(40, 100, 1) == computed_share(0, 100, 8) == 1
    sharing = replace(SHAPE, shares_prompts=True)
    work = replace(WORK, computed=share)
    assert plan(sharing, work).activations < plan(SHAPE, work).activations
    assert plan(SHAPE, work) == plan(SHAPE, WORK), "transformers computes each row by itself"
    on_cpu = replace(work, device="cpu")
    assert plan(sharing, on_cpu) == plan(sharing, replace(on_cpu, computed=1.0))


def test_on_a_gpu_a_layer_and_the_logits_take_turns() -> None:
    there, here = (plan(SHAPE, replace(WORK, device=kind)) for kind in ("cuda", "cpu"))
    for found in (there, here):
        assert found.layer > 0
        assert found.logits > 0
    assert there.update == there.gradients + there.activations + max(there.layer, there.logits)
    assert here.update == here.gradients + here.activations + here.layer + here.logits


def test_which_methods_update_on_groups() -> None:
    for config, groups in (
        (MultiTurnRLConfig(), True),
        (PAGConfig(), True),
        (SCoReConfig(), True),
        (SCoReConfig().with_star(), False),
        (from_flat(SCoReConfig, {"warm_start_steps": 1}), False),
        (STaRConfig(), False),
    ):
        assert config.updates_groups is groups


def test_what_a_method_keeps_beside_policy_and_reference() -> None:
    """A copy of the best weights in a fit, and the checkpoint of the best evaluation."""
    plain = plan(SHAPE, replace(WORK, rank=0, tokens_per_forward=4096))
    fitted = plan(SHAPE, replace(WORK, rank=0, tokens_per_forward=4096, copies=1))
    assert (plain.copies, fitted.copies) == (0, 4 * SHAPE.parameters)
    assert fitted.update == plain.update + fitted.copies
    assert fitted.rollout == plain.rollout
    assert plan(SHAPE, replace(WORK, copies=1)).copies == 4 * 16 * SHAPE.ports
    best = plan(SHAPE, replace(WORK, keep_best=True))
    assert (best.checkpoints, plain.checkpoints) == (4, 3)
    assert best.disk == 4 * best.checkpoint + best.model


def test_autocast_keeps_trained_weights_in_both_phases() -> None:
    full = plan(SHAPE, replace(WORK, rank=0))
    assert full.casts == 2 * SHAPE.parameters
    assert full.rollout == full.casts + full.cache + full.sampling
    assert plan(SHAPE, replace(WORK, rank=0, mixed=False)).casts == 0
    assert plan(SHAPE, WORK).casts == 0, "the frozen weights are in bfloat16 themselves"


@pytest.mark.parametrize(
    ("config", "copies"),
    [
        (MultiTurnRLConfig(), 0),
        (PAGConfig(), 0),
        (STaRConfig(), 1),
        (from_flat(STaRConfig, {"epochs": 1}), 0),
        (from_flat(STaRConfig, {"held_out": 0.0}), 0),
        (from_flat(SCoReConfig, {"warm_start_steps": 1}), 0),  # one epoch: it holds nothing out
        (SCoReConfig().with_star(), 1),
    ],
)
def test_a_configuration_says_how_many_copies_there_are(config: Any, copies: int) -> None:
    assert config.weight_copies == copies


def test_optimisers_of_fits_are_counted_as_they_are_kept() -> None:
    """A fit's own is never saved; in stage II's STaR it is there beside that of stage I."""
    for config, counts in (
        (MultiTurnRLConfig(), (1, 1)),
        (STaRConfig(), (1, 0)),
        (SCoReConfig().with_star(), (2, 1)),
        (replace(SCoReConfig().with_star(), stage_one_steps=0), (1, 1)),
    ):
        assert (config.optimizers, config.saved_optimizers) == counts
    work = replace(WORK, rank=0, tokens_per_forward=4096, optimizers=2, saved_optimizers=0)
    both = plan(SHAPE, work)
    assert both.optimizer == 2 * 8 * SHAPE.parameters
    assert both.checkpoint == 4 * SHAPE.parameters


def test_a_warm_start_has_the_optimiser_that_was_asked_for() -> None:
    config = from_flat(SCoReConfig, {"optimizer": "adamw_8bit", "warm_start_steps": 1})
    assert config.warm_start.optimizer == "adamw_8bit"


def test_a_trained_adapter_has_a_whole_reference() -> None:
    copied = plan(SHAPE, replace(WORK, copied_reference=True))
    assert copied.reference == copied.weights


def test_a_configuration_says_how_many_turns_are_sampled(env: SelfCorrectEnv) -> None:
    assert MultiTurnRLConfig().turns(3) == SCoReConfig().turns(3) == STaRConfig().turns(3) == 3
    assert PAGConfig().turns(2) == VerifiedEnv(env, Verification()).attempts == 3


@given(
    memory=st.integers(0, 100 * 10**9),
    rank=st.sampled_from([0, 8]),
    checkpointing=st.booleans(),
    tokens=st.none() | st.integers(1, 10**6),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_a_plan_cuts_a_step_into_what_exists(
    memory: int, rank: int, checkpointing: bool, tokens: int | None, device: Any
) -> None:
    work = replace(WORK, memory=memory, rank=rank, checkpointing=checkpointing, device=device,
                   tokens_per_forward=tokens)  # fmt: skip
    found = plan(SHAPE, work)
    assert work.length <= found.tokens_per_forward <= work.episodes * work.length
    assert 1 <= found.rows_at_once <= work.episodes
    assert found.peak >= found.always + max(found.rollout, found.update)
    more = plan(SHAPE, replace(work, memory=2 * memory))
    assert more.tokens_per_forward >= found.tokens_per_forward
    assert more.rows_at_once >= found.rows_at_once


@pytest.mark.parametrize("memory", [0, 25 * 10**9, 31 * 10**9])
def test_where_nothing_is_left_a_step_is_cut_into_single_episodes(memory: int) -> None:
    """Weights, reference and optimiser take 24.7 GB, gradients 6.2 GB more."""
    work = replace(WORK, rank=0, memory=memory, copies=1)
    found = plan(SHAPE, work)
    assert found.tokens_per_forward == work.length
    assert fitting_tokens(SHAPE, work, -(10**9)) == fitting_rows(SHAPE, work, 0) == 1


def test_1_5_b_with_adapters_fits_24_gb_and_its_full_weights_do_not() -> None:
    assert plan(SHAPE, WORK).peak < 0.7 * WORK.memory
    assert plan(SHAPE, replace(WORK, rank=0)).peak > WORK.memory


def configured(**options: Any) -> MultiTurnRLConfig:
    sizes = {"problems_per_step": 3, "samples": 2, "max_new_tokens": 4, "steps": 1}
    return from_flat(MultiTurnRLConfig, {**sizes, **options})


def test_a_trainer_cuts_its_steps_by_the_plan(policy: Policy, env: SelfCorrectEnv) -> None:
    read = read_tokens(policy.chat, env)
    rollout = Trainer(policy, env, configured()).collect(0)
    assert rollout.attention_mask.sum(1).max() <= read + 2 * 4
    assert split_of(policy, env, configured()).rows_at_once == 6
    assert split_of(policy, env, configured(tokens_per_forward=7)).tokens_per_forward == 7
    assert split_of(policy, env, configured(rows_at_once=2)).rows_at_once == 2
    assert read_tokens(policy.chat, env, 3) > read


def test_what_is_read_is_what_stands_between_the_turns(policy: Policy, env: SelfCorrectEnv) -> None:
    """PAG asks for a verification and for a revision, in the place of the instruction."""
    verified = VerifiedEnv(env, Verification(verify="3" * 30, revise="4"))
    asked = [policy.chat.follow_up([], [{"role": "user", "content": text}])
             for text in ("3" * 30, "4")]  # fmt: skip
    prompts = read_tokens(policy.chat, env, 1)
    assert read_tokens(policy.chat, verified) == prompts + sum(map(len, asked))
    own = PAGConfig().between_turns
    plain = VerifiedEnv(env, Verification())
    assert read_tokens(policy.chat, env, 3, own) == read_tokens(policy.chat, plain)


class Waves(LlamaForCausalLM):
    """A model that does to its logits what nobody knows: its own logits are used."""

    def forward(self, *args: Any, **options: Any) -> Any:
        output = super().forward(*args, **options)
        output.logits = output.logits.sin()
        return output


def test_logits_of_every_token_are_counted_where_a_model_has_them(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(WORK, whole_logits=True)
    more = bytes_of_token(SHAPE, whole) - bytes_of_token(SHAPE, WORK)
    assert more >= 2 * 4 * SHAPE.vocabulary  # the logits and their gradient
    assert plan(SHAPE, whole).tokens_per_forward < plan(SHAPE, WORK).tokens_per_forward
    monkeypatch.setattr(memory_plan, "MOST_TOKENS", {"cpu": 1 << 60, "cuda": 1 << 60})
    sizes: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
    }  # fmt: skip
    shape = LlamaConfig(vocab_size=9_000, num_attention_heads=2, pad_token_id=0, **sizes)
    chunked, kept = (
        split_of(Policy(made(shape).eval(), policy.tokenizer), env, configured())
        for made in (LlamaForCausalLM, Waves)
    )
    assert kept.tokens_per_forward < chunked.tokens_per_forward / 4


def test_the_rollout_keeps_to_the_rows_at_once(policy: Policy, env: SelfCorrectEnv) -> None:
    trainer = Trainer(policy, env, configured())
    expected = trainer.collect(0)
    trainer.split = Split(tokens_per_forward=64, rows_at_once=2)
    found = trainer.collect(0)
    assert isinstance(policy.sampler, CachedSampler)
    assert policy.sampler.rows_at_once == 2
    assert [e.attempts for e in found.episodes] == [e.attempts for e in expected.episodes]


def test_a_resumed_run_is_cut_as_before() -> None:
    before, now = Split(128, 4), Split(4096, 64)
    assert resumed(now, before, configured()) == before
    assert resumed(now, before, configured(tokens_per_forward=9)) == Split(9, 4)
    assert resumed(now, before, configured(rows_at_once=1)) == Split(128, 1)
    assert resumed(now, None, configured()) == now


def test_the_plan_is_of_the_rows_that_are_asked_for() -> None:
    few = plan(SHAPE, replace(WORK, rows_at_once=2))
    assert few.rows_at_once == 2
    assert few.cache == plan(SHAPE, WORK).cache * 2 // plan(SHAPE, WORK).rows_at_once
    assert plan(SHAPE, replace(WORK, rows_at_once=10**6)).rows_at_once == WORK.episodes
