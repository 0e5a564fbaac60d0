"""Sampling with transformers' forward pass and cache: what is sampled is what is scored."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents.lm.plain_context import PlainContext
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import CachedSampler
from selfcorrect_agents.lm.turns import Turn, TurnEnds

MakePolicy = Callable[..., Policy]
STATES = ["lfm2", "falcon_h1", "mamba2"]
"""Families with recurrent layers: some beside attention, some in the same layer, some alone."""
FAMILIES = ["windowed", "gemma2", "gemma3", "gpt_oss", "gpt_neox", "llama", *STATES]
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [9], [3, 4, 5, 6, 15]]
ENDS = TurnEnds(pad_id=0, end_ids=frozenset({2, 3, 4, 7, 11, 14}), turn_end=2)
SAMPLES = 5


def three_turns(rows: PlainContext) -> tuple[list[Turn], list[int]]:
    """Sample turns with instructions of several lengths, and return the column of each."""
    generator, turns, starts = torch.Generator().manual_seed(3), [], []
    for number in range(3):
        starts.append(rows.ids.shape[1])
        turns.append(rows.sample(12, 1.0, generator))
        rows.read([[10 + number, 11] + [12] * (row % 3) for row in range(len(rows.ids))])
    return turns, starts


def scored_alone(policy: Policy, rows: PlainContext, turn: Turn, start: int) -> torch.Tensor:
    """Log-probabilities of a turn's tokens, each row in a forward pass of its own."""
    logps = torch.zeros_like(turn.logps)
    for row, count in enumerate(turn.mask.sum(1).tolist()):
        given = rows.ids[row, :start][rows.mask[row, :start]]
        whole = torch.cat([given, turn.ids[row, :count]])[None]
        logits = policy.forward(input_ids=whole, use_cache=False).logits[0].float()
        predicted = logits[len(given) - 1 : -1].log_softmax(-1)
        logps[row, :count] = predicted.gather(1, turn.ids[row, :count, None])[:, 0]
    return logps


@pytest.mark.parametrize("family", FAMILIES)
def test_every_turn_reads_the_turns_before(make_policy: MakePolicy, family: str) -> None:
    """Also rows that ended before others, in layers that see a window of the last tokens alone."""
    policy = make_policy(family)
    rows = PlainContext(policy, ENDS, PROMPTS, SAMPLES)
    turns, starts = three_turns(rows)
    assert len({len(tokens) for turn in turns for tokens in turn.tokens()}) > 3  # ragged
    with torch.no_grad():
        for turn, start in zip(turns, starts, strict=True):
            assert_close(turn.logps, scored_alone(policy, rows, turn, start), rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["windowed", "gemma2", "gpt_neox"])
def test_padding_between_tokens_changes_no_logits(make_policy: MakePolicy, family: str) -> None:
    policy = make_policy(family)
    rows = PlainContext(policy, ENDS, PROMPTS, SAMPLES)
    (*_, turn), (*_, start) = three_turns(rows)
    columns = torch.arange(start, start + turn.ids.shape[1])
    with torch.no_grad():
        logps = policy.logits(rows.ids, rows.mask, columns).log_softmax(-1)
        logps = logps.gather(2, turn.ids[..., None])[..., 0]
        expected = scored_alone(policy, rows, turn, start)
    assert_close(logps[turn.mask], expected[turn.mask], rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["windowed", "gpt_neox", "lfm2"])
@pytest.mark.parametrize("at_once", [1, 7, 19])
def test_fewer_rows_at_once_change_no_token(
    make_policy: MakePolicy, family: str, at_once: int
) -> None:
    """The model never computes more rows than may be in memory."""
    policy = make_policy(family)
    expected, _ = three_turns(PlainContext(policy, ENDS, PROMPTS, SAMPLES))
    assert policy.decoder is None
    computed: list[int] = []
    policy.model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: computed.append(len(output))
    )
    rows = CachedSampler(policy, ENDS, at_once).start(PROMPTS, SAMPLES)
    assert isinstance(rows, PlainContext)
    turns, _ = three_turns(rows)
    assert max(computed) <= at_once
    for turn, other in zip(turns, expected, strict=True):
        assert torch.equal(turn.ids, other.ids)
        assert torch.equal(turn.mask, other.mask)
        assert torch.equal(turn.ended, other.ended)
        assert_close(turn.logps, other.logps, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["windowed", "gpt_neox"])
@pytest.mark.parametrize("at_once", [None, 7])
def test_a_turn_that_another_policy_wrote_is_read(
    make_policy: MakePolicy, family: str, at_once: int | None
) -> None:
    policy = make_policy(family)
    theirs = PlainContext(policy, ENDS, PROMPTS, SAMPLES)
    written = theirs.sample(12, 1.0, torch.Generator().manual_seed(1))
    rows = PlainContext(policy, ENDS, PROMPTS, SAMPLES, at_once)
    rows.take(written)
    rows.read([[10, 11] + [12] * (row % 3) for row in range(len(rows.ids))])
    start = rows.ids.shape[1]
    turn = rows.sample(12, 1.0, torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert_close(turn.logps, scored_alone(policy, rows, turn, start), rtol=0, atol=1e-4)
