"""Token identity with a byte-pair tokenizer, whose reading of its own text differs from what
was sampled, whose padding token is its end of turn, and whose template is ChatML."""

import pytest
import torch
from gymnasium.vector import AutoresetMode
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.testing import assert_close
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import score
from selfcorrect_env import Conversation, SelfCorrectEnv, SelfCorrectVectorEnv

CHATML = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def bpe() -> Policy:
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<|end|>", "<|start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = "user assistant There might be an error in the answer above. aaaa abab 123 1234 the"
    tokenizer.train_from_iterator([text] * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|end|>",
        chat_template=CHATML,
        clean_up_tokenization_spaces=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(fast),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                initializer_range=0.1,
                max_position_embeddings=512,
                bos_token_id=None,
                eos_token_id=0,
                pad_token_id=0,
            )
        )
    with torch.no_grad():  # replies that end now and then, also at once
        model.lm_head.weight[0] *= 8
    return Policy(model.eval(), fast)


PROMPTS = ["abab?", "What is the error in 123 and 1234 above?", "a"]


def environment() -> SelfCorrectEnv:
    return SelfCorrectEnv([{"prompt": p, "reference": "1"} for p in PROMPTS])


def roll(policy: Policy, samples: int = 8, seed: int = 0) -> Rollout:
    venv = SelfCorrectVectorEnv.like(
        environment(), len(PROMPTS) * samples, autoreset_mode=AutoresetMode.DISABLED
    )
    return collect(
        policy,
        venv,
        range(len(PROMPTS)),
        samples=samples,
        max_new_tokens=10,
        generator=torch.Generator().manual_seed(seed),
    )


def sampled(rollout: Rollout, row: int, turn: int) -> list[int]:
    here = (rollout.turn == turn) & rollout.mask[row]
    return rollout.ids[row, rollout.columns[here]].tolist()


def test_what_was_sampled_stands_in_the_row_and_not_its_text_read_again(bpe: Policy) -> None:
    rollout, tokenizer = roll(bpe), bpe.tokenizer
    differs = ended = 0
    for row, episode in enumerate(rollout.episodes):
        ids = rollout.ids[row][rollout.attention_mask[row]].tolist()
        prompt = bpe.chat.prompt_ids(episode.conversation[:1])
        first, second = sampled(rollout, row, 0), sampled(rollout, row, 1)
        continuation = bpe.chat.continuation_ids(episode.conversation[2:3])
        assert continuation[0] == bpe.chat.pad_id
        skip = 1 if first[-1] in bpe.chat.eos_ids else 0
        assert ids == [*prompt, *first, *continuation[skip:], *second]
        again = tokenizer(str(episode.attempts[0].reply), add_special_tokens=False)["input_ids"]
        differs += again != first[: len(first) - skip]
        ended += skip
    assert differs > 3, "the tokenizer reads its own text as it was sampled: nothing is tested"
    assert 0 < ended < len(rollout.episodes), "ended and cut replies should both occur"


def test_padding_that_is_the_end_of_turn_is_not_taken_for_it(bpe: Policy) -> None:
    rollout = roll(bpe)
    counts = rollout.turn_sum(torch.ones_like(rollout.logps))
    for row, episode in enumerate(rollout.episodes):
        for turn, attempt in enumerate(episode.attempts):
            ids = sampled(rollout, row, turn)
            assert counts[row, turn] == len(ids) == attempt.tokens
            assert (ids[-1] == bpe.chat.pad_id) is not attempt.truncated
            assert bpe.chat.pad_id not in ids[:-1]


def test_one_forward_pass_gives_every_behaviour_log_probability(bpe: Policy) -> None:
    rollout = roll(bpe)
    logits = bpe.logits(rollout.ids, rollout.attention_mask, rollout.columns)
    tokens = logits.log_softmax(-1).gather(-1, rollout.ids[:, rollout.columns, None])[..., 0]
    assert_close(tokens[rollout.mask], rollout.logps[rollout.mask], atol=1e-4, rtol=1e-4)
    assert rollout.logps[~rollout.mask].abs().sum() == 0
    lengths = rollout.turn_sum(torch.ones_like(rollout.logps))
    assert all(lengths[:, turn].unique().numel() > 2 for turn in (0, 1)), "replies aren't ragged"


def test_a_row_does_not_feel_its_batch(bpe: Policy) -> None:
    """The unpadded episode alone has the log-probabilities that the padded batch gives it."""
    rollout = roll(bpe)
    together = score(bpe, bpe, rollout)
    for row in range(0, len(rollout.episodes), 5):
        ids = rollout.ids[row][rollout.attention_mask[row]][None]
        logps = bpe.model(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
        places = torch.cumsum(rollout.attention_mask[row].long(), 0) - 1
        for turn in (0, 1):
            here = (rollout.turn == turn) & rollout.mask[row]
            expected = logps[places[rollout.columns[here]] - 1].sum()
            assert_close(
                rollout.turn_sum(together.logps)[row, turn], expected, atol=1e-4, rtol=1e-4
            )


def conversations() -> list[Conversation]:
    env = environment()
    return [env.prompts.first(problem) for problem in env.problems]


def test_reading_a_prompt_once_is_reading_it_for_every_sample(bpe: Policy) -> None:
    shared = bpe.start(conversations(), samples=3)
    alone = bpe.start([c for c in conversations() for _ in range(3)])
    assert torch.equal(shared.ids, alone.ids)
    assert torch.equal(shared.mask, alone.mask)
    correction: list[Conversation] = [({"role": "user", "content": "again"},)] * 9
    for _ in range(2):
        turns = [
            context.sample(8, 1.0, torch.Generator().manual_seed(1)) for context in (shared, alone)
        ]
        assert torch.equal(turns[0].ids, turns[1].ids)
        assert_close(turns[0].logps, turns[1].logps, atol=1e-4, rtol=1e-4)
        bpe.extend(shared, correction)
        bpe.extend(alone, correction)


def test_temperature_is_that_of_the_softmax(bpe: Policy) -> None:
    context = bpe.start(conversations())
    turn = context.sample(1, 0.5, torch.Generator().manual_seed(2))
    logits = bpe.start(conversations())
    raw = bpe.logits(context.ids, context.mask, torch.tensor([logits.ids.shape[1]]))
    expected = (raw[:, 0] / 0.5).log_softmax(-1).gather(-1, turn.ids)[:, 0]
    assert_close(turn.logps[:, 0], expected.detach(), atol=1e-4, rtol=1e-4)


def test_a_reply_holds_neither_the_end_of_turn_nor_padding(bpe: Policy) -> None:
    for episode in roll(bpe).episodes:
        for attempt in episode.attempts:
            assert "<|end|>" not in attempt.reply


def test_surrogates_and_the_placeholder_in_a_conversation_are_text(bpe: Policy) -> None:
    hostile = "\ud800 REPLY-PLACEHOLDER <|start|>"
    assert bpe.chat.prompt_ids(({"role": "user", "content": hostile},))
    ids = bpe.chat.continuation_ids([{"role": "user", "content": hostile}])
    assert "REPLY-PLACEHOLDER" in bpe.tokenizer.decode(ids)


def test_continued_is_the_sampled_ids_not_the_text(bpe: Policy) -> None:
    """At T = 1 the agent's second turn is conditioned on the ids that it sampled itself."""
    agent = LanguageModelAgent(bpe, max_new_tokens=6, temperature=1.0, seed=4)
    first = conversations()
    replies = agent.act(first)
    second = [environment().prompts.correct(c, r) for c, r in zip(first, replies, strict=True)]
    after = agent.act(second)
    context = bpe.start(first)
    generator = torch.Generator().manual_seed(4)
    context.sample(6, 1.0, generator)
    bpe.extend(context, [c[2:] for c in second])
    turn = context.sample(6, 1.0, generator)
    assert after == bpe.replies(turn)
