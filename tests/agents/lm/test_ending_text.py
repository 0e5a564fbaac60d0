"""Replies of base models end where the next turn starts, in both forward passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.testing import assert_close
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfcorrect_agents.lm.decoders.context import DecoderContext
from selfcorrect_agents.lm.ending_text import EndingText
from selfcorrect_agents.lm.plain_context import PlainContext
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import CachedSampler
from selfcorrect_agents.lm.template_config import PLAIN_NEXT_TURN
from selfcorrect_agents.lm.turns import Turn, TurnEnds
from selfcorrect_agents.rl.rollout import collect
from selfcorrect_agents.rl.scoring import score
from selfcorrect_env import Message, SelfCorrectVectorEnv

MakePolicy = Callable[..., Policy]
PIECES = ["", "\n", "\n\n", ".\n\n", "U", "User", "ser", ":", "User:", "x", "\n\nUser: 5", "s\n"]
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [9], [3, 4, 5, 6, 15]]
ASKED: Message = {"role": "user", "content": "What is 2 + 3?"}
AGAIN: Message = {"role": "user", "content": "There might be an error."}


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=12))
def test_the_text_is_found_as_soon_as_it_is_written(ids: list[int]) -> None:
    ending = EndingText(PLAIN_NEXT_TURN, PIECES)
    written = ["".join(PIECES[i] for i in ids[:n]) for n in range(len(ids) + 1)]
    expected = next((n for n, text in enumerate(written) if PLAIN_NEXT_TURN in text), None)
    assert ending.length(ids) == expected


def ends_of(policy: Policy) -> TurnEnds:
    """A text of two characters that a random model often writes, in one or two tokens."""
    letters = ["abx"[i % 3] if i % 7 else "xab" for i in range(policy.vocab_size)]
    return TurnEnds(0, frozenset({2}), 2, EndingText("ab", letters))


def turns_of(rows: PlainContext | DecoderContext) -> list[Turn]:
    generator, turns = torch.Generator().manual_seed(3), []
    for number in range(2):
        turns.append(rows.sample(12, 1.0, generator))
        rows.read([[10 + number, 11] + [12] * (row % 3) for row in range(len(rows.ids))])
    return turns


@pytest.mark.parametrize("slots", [None, 3])
def test_both_forward_passes_end_where_the_text_ends(
    make_policy: MakePolicy, slots: int | None
) -> None:
    policy = make_policy("qwen2")
    ends, decoder = ends_of(policy), policy.decoder
    assert decoder is not None
    assert ends.text is not None
    theirs = turns_of(PlainContext(policy, ends, PROMPTS, 5, slots))
    ours = turns_of(DecoderContext(policy, decoder, ends, PROMPTS, 5, slots))
    found = 0
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.ids, other.ids)
        assert torch.equal(mine.mask, other.mask)
        assert torch.equal(mine.ended, other.ended)
        assert_close(mine.logps, other.logps, rtol=0, atol=1e-4)
        for ids, ended in zip(mine.tokens(), mine.ended.tolist(), strict=True):
            by_text = ends.text.length(ids)
            assert by_text in (None, len(ids))
            assert ended == (by_text is not None or ids[-1] == 2)
            found += by_text is not None
    assert found > 5


@pytest.fixture
def base() -> Policy:
    """A model whose tokenizer has no template."""
    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokens.train_from_iterator(["User: 1\n\nAssistant: 2.\n\nUser:"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token="</s>", clean_up_tokenization_spaces=False
    )
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_attention_heads=2, initializer_range=0.3, **sizes
    )
    torch.manual_seed(0)
    return Policy(LlamaForCausalLM(config).eval(), tokenizer)


def test_a_base_model_s_reply_ends_before_the_next_turn(base: Policy) -> None:
    chat = base.chat
    written = chat.reply_ids(" 5\n\nUser:", ended=False)
    assert chat.ends.length([*written, *chat.reply_ids(" 3")]) == len(written)
    whole = "Assistant: 5\n\nUser: There might be an error.\n\nAssistant:"
    for ids, end in ((written, ""), (chat.reply_ids(" 5"), "</s>")):
        turn = Turn.of([ids], [[0.0] * len(ids)], [True], pad_id=0)
        (reply,) = base.replies(turn)
        assert (str(reply), reply.truncated) == (" 5", False)
        context = base.start([(ASKED,)])
        context.take(turn)
        branched = base.branch(context, [0], [[AGAIN]])
        base.extend(context, [[AGAIN]])
        for rows in (context, branched):
            read = chat.decode_all(rows.ids[rows.mask].tolist())
            assert read.endswith(whole.replace("5", f"5{end}"))
    history = (ASKED, {"role": "assistant", "content": str(reply)}, AGAIN)
    assert chat.decode_all(chat.prompt_ids(history)) == read  # as if it had been sampled


def test_a_model_with_a_template_may_write_the_text(base: Policy) -> None:
    base.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
    chat = Policy(base.model, base.tokenizer).chat
    assert chat.ends.text is None
    ids = chat.reply_ids("5\n\nUser: 6", ended=False)
    assert chat.decode(ids) == "5\n\nUser: 6"


def test_what_is_trained_on_is_what_was_sampled(base: Policy) -> None:
    """With a text that a random model writes often; its tokens are part of the reply."""
    pieces = ["1" if i % 5 == 3 else "x" for i in range(base.vocab_size)]
    base.chat.ending = EndingText("1", pieces)
    base.sampler = CachedSampler(base, base.chat.ends)
    env = SelfCorrectVectorEnv(24, "arithmetic", autoreset_mode=AutoresetMode.DISABLED)
    generator = torch.Generator().manual_seed(0)
    rollout = collect(base, env, range(6), samples=4, max_new_tokens=12, generator=generator)
    scored = score(base, base, rollout).logps[rollout.mask]
    assert_close(scored, rollout.logps[rollout.mask], rtol=1e-4, atol=1e-4)
    assert (rollout.sampled[rollout.mask] % 5 == 3).sum() > 20
    read = rollout.ids[:, rollout.columns]
    kept = rollout.mask & ~torch.isin(rollout.sampled, torch.tensor(sorted(base.chat.eos_ids)))
    assert torch.equal(read[kept], rollout.sampled[kept])
