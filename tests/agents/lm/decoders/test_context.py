"""Sampling with our forward pass and cache: the tokens, whatever is computed beside a row."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents.errors import DivergenceError
from selfcorrect_agents.lm.decoders import context, rows
from selfcorrect_agents.lm.decoders.context import DecoderContext
from selfcorrect_agents.lm.decoders.decoder import Decoder
from selfcorrect_agents.lm.plain_context import PlainContext
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.turns import Context, Turn, TurnEnds

MakePolicy = Callable[..., Policy]
OWN = ["llama", "smollm2", "mistral", "qwen2", "qwen3", "olmo2"]
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [9], [3, 4, 5, 6, 15]]
ENDS = TurnEnds(pad_id=0, end_ids=frozenset({2, 3, 4, 7}), turn_end=2)
SAMPLES = 5


def own(policy: Policy, slots: int | None = None) -> DecoderContext:
    decoder = policy.decoder
    assert decoder is not None
    return DecoderContext(policy, decoder, ENDS, PROMPTS, SAMPLES, slots)


def three_turns(rows: Context, temperature: float = 1.0, top_p: float = 1.0) -> list[Turn]:
    generator, turns = torch.Generator().manual_seed(3), []
    for number in range(3):
        turns.append(rows.sample(12, temperature, generator, top_p))
        rows.read([[10 + number, 11] + [12] * (row % 3) for row in range(len(rows.ids))])
    return turns


def assert_same(ours: list[Turn], theirs: list[Turn], tolerance: float = 1e-4) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.ids, other.ids)
        assert torch.equal(mine.mask, other.mask)
        assert torch.equal(mine.ended, other.ended)
        assert_close(mine.logps, other.logps, rtol=0, atol=tolerance)


@pytest.mark.parametrize("family", OWN)
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.0, 1.0), (0.7, 0.8)])
def test_turns_are_those_of_the_plain_path(
    make_policy: MakePolicy, family: str, lora: bool, temperature: float, top_p: float
) -> None:
    policy = make_policy(family, lora=lora)
    plain = PlainContext(policy, ENDS, PROMPTS, SAMPLES)
    ours = own(policy)
    expected = three_turns(plain, temperature, top_p)
    assert_same(three_turns(ours, temperature, top_p), expected)
    if temperature > 0:  # ragged
        assert len({len(tokens) for turn in expected for tokens in turn.tokens()}) > 3
    assert torch.equal(ours.ids[ours.mask], plain.ids[plain.mask])


@pytest.mark.parametrize("family", ["smollm2", "qwen3"])
@pytest.mark.parametrize("slots", [1, 3, 7, 19])
def test_fewer_slots_than_rows_change_no_token(
    make_policy: MakePolicy, family: str, slots: int
) -> None:
    policy = make_policy(family)
    assert_same(three_turns(own(policy, slots)), three_turns(own(policy)))


@pytest.mark.parametrize("idle", [0.0, 0.9])
@pytest.mark.parametrize("chunk", [4, 2048])
@pytest.mark.parametrize("slots", [None, 6])
def test_moving_rows_and_reading_in_parts_change_no_token(
    make_policy: MakePolicy,
    monkeypatch: pytest.MonkeyPatch,
    idle: float,
    chunk: int,
    slots: int | None,
) -> None:
    policy = make_policy("smollm2")
    expected = three_turns(own(policy))
    monkeypatch.setattr(rows, "IDLE", idle)
    monkeypatch.setattr(rows, "CHUNK", chunk)
    monkeypatch.setattr(context, "LOGITS", 64)
    assert_same(three_turns(own(policy, slots)), expected)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_log_probabilities_are_those_of_scoring(make_policy: MakePolicy, family: str) -> None:
    policy = make_policy(family)
    ours = own(policy, 7)
    turn = ours.sample(12, 1.0, torch.Generator().manual_seed(0))
    columns = torch.arange(ours.ids.shape[1] - turn.ids.shape[1], ours.ids.shape[1])
    logits = policy.logits(ours.ids, ours.mask, columns).detach()
    logps = logits.log_softmax(-1).gather(2, turn.ids[..., None])[..., 0]
    assert_close(logps[turn.mask], turn.logps[turn.mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", OWN)
def test_greedy_tokens_are_those_of_generate(make_policy: MakePolicy, family: str) -> None:
    policy = make_policy(family)
    decoder = policy.decoder
    assert decoder is not None
    ends = TurnEnds(0, policy.chat.eos_ids)
    turn = DecoderContext(policy, decoder, ends, PROMPTS, 1).sample(12, 0.0)
    for prompt, tokens in zip(PROMPTS, turn.tokens(), strict=True):
        whole = policy.model.generate(  # type: ignore[operator]
            torch.tensor([prompt]), max_new_tokens=12, do_sample=False
        )
        assert tokens == whole[0, len(prompt) :].tolist()


def test_weights_that_change_between_turns_are_used(make_policy: MakePolicy) -> None:
    """Copies of a small model's weights are those of the moment, not of an earlier turn."""
    policy = make_policy("llama")
    own(policy).sample(4, 1.0)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.mul_(1.1)
    plain = PlainContext(policy, ENDS, PROMPTS, SAMPLES)
    assert_same(three_turns(own(policy)), three_turns(plain))


def test_bfloat16_samples_what_it_scores(make_policy: MakePolicy) -> None:
    policy = make_policy("smollm2", dtype=torch.bfloat16)
    ours = own(policy, 7)
    turn = ours.sample(12, 1.0, torch.Generator().manual_seed(0))
    columns = torch.arange(ours.ids.shape[1] - turn.ids.shape[1], ours.ids.shape[1])
    logits = policy.logits(ours.ids, ours.mask, columns).detach()
    logps = logits.log_softmax(-1).gather(2, turn.ids[..., None])[..., 0]
    assert float((logps - turn.logps)[turn.mask].abs().mean()) < 0.1


@pytest.mark.parametrize("family", OWN)
@pytest.mark.parametrize("slots", [None, 7])
def test_float16_samples_turns_of_uneven_rows(
    make_policy: MakePolicy, family: str, slots: int | None
) -> None:
    """Masks have no score that float16 lacks."""
    policy = make_policy(family, dtype=torch.float16)
    turns = three_turns(own(policy, slots))
    assert all(bool(turn.logps.isfinite().all()) for turn in turns)


def test_layers_may_compute_in_another_precision_than_the_cache(make_policy: MakePolicy) -> None:
    """As those of quantised weights do: here autocast is in bfloat16, and two layers are not."""
    policy = make_policy("llama")
    expected = three_turns(own(policy), 0.0)
    mixed = Policy(policy.model, policy.tokenizer, autocast=torch.bfloat16)
    context = own(mixed)
    mixed.computing = policy.computing  # type: ignore[method-assign]
    found = three_turns(context, 0.0)
    assert [turn.ids.shape for turn in found] == [turn.ids.shape for turn in expected]
    assert float((found[0].logps - expected[0].logps).abs().max()) < 0.1


def test_outliers_that_are_multiplied_apart_wait_for_the_device(make_policy: MakePolicy) -> None:
    policy = make_policy("llama")
    assert policy.decoder is not None
    assert not policy.decoder.waits_for_device
    layer = policy.model.get_decoder().layers[0].mlp.up_proj
    layer.state = SimpleNamespace(threshold=6.0)  # as bitsandbytes says it
    assert Decoder(policy.model.get_decoder()).waits_for_device


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_reported(
    make_policy: MakePolicy, temperature: float
) -> None:
    policy = make_policy("llama")
    ours = own(policy)
    with torch.no_grad():
        next(iter(policy.model.parameters())).fill_(torch.nan)
    with pytest.raises(DivergenceError, match="not finite"):
        ours.sample(4, temperature)
