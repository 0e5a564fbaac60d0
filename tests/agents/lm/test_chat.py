"""Chat templates in the manner of the common families, written for these tests: the ids of a later
turn are those of the template's own rendering."""

from __future__ import annotations

import copy
import inspect
from typing import Any, cast

import pytest
import torch
from gymnasium.vector import AutoresetMode
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfcorrect_agents import SCoRe
from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.rl.rollout import collect, written
from selfcorrect_agents.rl.scoring import score
from selfcorrect_env import Message, SelfCorrectVectorEnv
from selfcorrect_env.verifiers import without_thoughts

TEMPLATES = {
    "chatml": (
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n"
        "{% endif %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "turns of user and model": (
        "<bos>{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ raise_exception('no system role') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    "another end than the end of the text": (
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}<|endoftext|>{% endif %}"
    ),
    "headers and a date": (
        "<bos><|header|>system\nToday: {{ strftime_now('%d %b %Y') }}<|eot|>"
        "{% for m in messages %}<|header|>{{ m['role'] }}\n{{ m['content'] | trim }}<|eot|>"
        "{% endfor %}{% if add_generation_prompt %}<|header|>assistant\n{% endif %}"
    ),
    "no end of a turn": (
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    ),
    "the last reply ends otherwise": (
        "{% for m in messages %}<|start|>{{ m['role'] }}<|message|>{{ m['content'] }}"
        "{% if loop.last and m['role'] == 'assistant' and not add_generation_prompt %}<|return|>"
        "{% else %}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant<|message|>{% endif %}"
    ),
    "a channel before the reply": (
        "{% for m in messages %}<|start|>{{ m['role'] }}"
        "{% if m['role'] == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m['content'] }}"
        "{% if loop.last and m['role'] == 'assistant' and not add_generation_prompt %}<|return|>"
        "{% else %}<|end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
    ),
    "instructions in brackets": (
        "<bos>{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %}{{ m['content'] }}<|endoftext|>{% endif %}{% endfor %}"
    ),
}
PLAIN_WORDS = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
LATE_SYSTEM = (  # as Mistral's: the system prompt is a part of the last message of the user
    "<bos>{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m['role'] == 'user' %}[INST]{% if loop.last and system is defined %}{{ system }}\n\n"
    "{% endif %}{{ m['content'] }}[/INST]{% else %}{{ m['content'] }}<|endoftext|>{% endif %}"
    "{% endfor %}"
)
REASONING = (  # as Qwen 3's: the thoughts of earlier replies are left out
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}"
    "{{ m['content'].split('</think>')[-1] | trim }}{% else %}{{ m['content'] }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OPENED = REASONING.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
NEW_LINE = (  # as GLM-4's: a new line is the first token of a reply
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['role'] == 'assistant' %}<think></think>"
    "\n{{ m['content'] | trim }}{% else %}\n{{ m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think></think>{% endif %}"
)
SPECIAL = [
    *("<|endoftext|>", "<bos>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>"),
    *("<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|header|>", "<|eot|>", "<|start|>"),
    *("<|message|>", "<|return|>", "[INST]", "[/INST]", "<|channel|>", "<think>", "</think>"),
]
ENDS = {
    "chatml": "<|im_end|>",
    "turns of user and model": "<end_of_turn>",
    "another end than the end of the text": "<|end|>",
    "headers and a date": "<|eot|>",
    "no end of a turn": "<|user|>",
    "the last reply ends otherwise": "<|return|>",
    "a channel before the reply": "<|return|>",
    "instructions in brackets": "<|endoftext|>",
}
ASKED: list[Message] = [{"role": "user", "content": "What is 2 + 3?"}]
AGAIN: list[Message] = [{"role": "user", "content": "There might be an error. Try again."}]


@pytest.fixture(scope="module")
def fast() -> PreTrainedTokenizerFast:
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(["user assistant There might be an error. 12 123"] * 9, trainer)
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        bos_token="<bos>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )


def chat_of(fast: PreTrainedTokenizerFast, name: str, **template: object) -> Chat:
    fast.chat_template = TEMPLATES.get(name)
    return Chat(fast, template=TemplateConfig(**template))  # type: ignore[arg-type]


def text_of(fast: PreTrainedTokenizerFast, ids: list[int]) -> str:
    return cast(str, fast.decode(ids))


def rendered(chat: Chat, messages: list[Message]) -> list[int]:
    text = chat.tokenizer.apply_chat_template(
        cast(Any, messages),
        tokenize=False,
        add_generation_prompt=True,
        chat_template=cast(str, chat.tokenizer.chat_template).replace(
            "{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"
        ),
    )
    return cast(list[int], chat.tokenizer(cast(str, text), add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("reply", ["It is 5.", "5", "Answer: 5\nWorking: 2 + 3"])
def test_a_later_turn_reads_what_the_template_writes(
    fast: PreTrainedTokenizerFast, name: str, reply: str
) -> None:
    chat = chat_of(fast, name)
    whole = rendered(chat, [*ASKED, {"role": "assistant", "content": reply}, *AGAIN])
    opening = chat.prompt_ids(tuple(ASKED))
    written = chat.reply_ids(reply)
    assert opening + written + chat.follow_up(written, AGAIN) == whole
    cut_off = chat.reply_ids(reply, ended=False)
    assert opening + cut_off + chat.follow_up(cut_off, AGAIN) == whole
    end = fast.convert_tokens_to_ids(ENDS[name])
    sampled = [*cut_off, end]  # as the model ends its turn
    assert end in chat.eos_ids
    read = [chat.context_id(token) for token in sampled]
    assert opening + read + chat.follow_up(sampled, AGAIN) == whole


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_last_reply_ends_as_the_template_ends_it(
    fast: PreTrainedTokenizerFast, name: str
) -> None:
    chat = chat_of(fast, name)
    end = chat.reply_ids("5", last=True)[-1]
    assert end == fast.convert_tokens_to_ids(ENDS[name])


def test_a_reply_opens_as_the_template_opens_it(fast: PreTrainedTokenizerFast) -> None:
    chat = chat_of(fast, "a channel before the reply")
    written = chat.reply_ids("It is 5.")
    assert text_of(fast, written) == "<|channel|>final<|message|>It is 5.<|end|>"
    assert chat.decode(written) == "It is 5."
    assert chat_of(fast, "chatml").reply_opening == ""


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("sampled", "judged"),
    [
        (
            "<|channel|>analysis<|message|>2 or 3?<|end|><|start|>assistant"
            "<|channel|>final<|message|>It is 5.",
            "It is 5.",
        ),
        ("<|channel|>analysis<|message|>It may be 3, but", ""),
        ("<|channel|>final<|message|>It is 5.", "It is 5."),
    ],
)
def test_channels_of_a_reply_are_kept_and_written_again(
    fast: PreTrainedTokenizerFast, sampled: str, judged: str, ended: bool
) -> None:
    """Without their marks the analysis would be written, and imitated, as a part of the reply."""
    chat = chat_of(fast, "a channel before the reply")
    ids = cast(list[int], fast(sampled, add_special_tokens=False)["input_ids"])
    ids += [cast(int, chat.turn_end)] if ended else []
    decoded = chat.decode(ids)
    assert without_thoughts(decoded) == judged
    assert chat.reply_ids(decoded, ended=ended) == ids
    conversation = (*ASKED, Message(role="assistant", content=decoded), *AGAIN)
    assert chat.prompt_ids(conversation) == [
        *chat.prompt_ids(tuple(ASKED)), *ids, *chat.follow_up(ids, AGAIN),
    ]  # fmt: skip


@pytest.mark.parametrize("closed", [False, True])
def test_a_reply_that_starts_its_own_thought_gets_no_empty_one(
    fast: PreTrainedTokenizerFast, closed: bool
) -> None:
    """The template writes an empty thought before plain replies; also where it was cut off."""
    fast.chat_template = NEW_LINE
    chat = Chat(fast)
    text = "\n<think>2 or 3?" + ("</think>\nIt is 5." if closed else "")
    ids = cast(list[int], fast(text, add_special_tokens=False)["input_ids"])
    assert chat.reply_ids(chat.decode(ids), ended=False) == ids


THINKS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'].split('</think>')[-1] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


def test_a_prompt_that_starts_a_thought_gets_it_once(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = THINKS
    chat = Chat(fast)
    opening = text_of(fast, chat.prompt_ids(tuple(ASKED)))
    assert opening.endswith("<think>\n")
    thought = "2 + 3\n</think>\n\nIt is 5."
    for reply in (thought, f"<think>\n{thought}"):  # as it was sampled; as a server returns it
        assert text_of(fast, chat.reply_ids(reply)) == f"{thought}<|im_end|>"
    empty = text_of(fast, chat.reply_ids("It is 5."))
    assert empty == "\n</think>\n\nIt is 5.<|im_end|>"
    assert chat.decode(chat.reply_ids("It is 5.", ended=False)) == "It is 5."


@pytest.mark.parametrize("mark", ["<think>\n", "<think>", "<reasoning>\n\n", "[THINK]"])
@pytest.mark.parametrize(
    ("sampled", "judged"),
    [
        ("2 + 3 is \\boxed{5}, but", ""),
        ("<think>\nso", ""),
        ("", ""),
        ("2 + 3{end}\n\nIt is 5.", "It is 5."),
        ("2 + 3{end}", ""),
        ("\n{end}\n\nIt is 5.", "It is 5."),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_a_thought_that_the_prompt_opens_is_no_answer(
    fast: PreTrainedTokenizerFast, mark: str, sampled: str, judged: str, ended: bool
) -> None:
    """Also one that never ends. Its text has the ids that were sampled."""
    fast.chat_template = THINKS.replace("<think>\n", mark)
    chat = Chat(fast)
    name = mark.strip()
    text = sampled.replace("{end}", f"{name[0]}/{name[1:]}")
    ids = cast(list[int], fast(text, add_special_tokens=False)["input_ids"])
    decoded = chat.decode(ids)
    assert without_thoughts(decoded).strip() == judged
    written = chat.reply_ids(decoded, ended=ended)
    assert written == [*ids, *([chat.turn_end] if ended else [])]


def test_an_agent_that_is_cut_off_in_a_thought_has_not_answered(
    fast: PreTrainedTokenizerFast,
) -> None:
    fast.chat_template = THINKS
    policy = small_policy(fast)
    agent = LanguageModelAgent(policy, max_new_tokens=8)
    (reply,) = agent.act([tuple(ASKED)])
    assert reply.truncated
    assert reply.startswith("<think>\n")
    assert len(reply) > len("<think>\n")
    assert without_thoughts(reply) == ""
    env = SelfCorrectVectorEnv(1, "arithmetic", autoreset_mode=AutoresetMode.DISABLED)
    generator = torch.Generator().manual_seed(0)
    rollout = collect(policy, env, [0], samples=1, max_new_tokens=8, generator=generator)
    attempt = rollout.episodes[0].attempts[0]
    assert policy.replies(written(policy, [attempt])) == [attempt.reply]


LINES = (  # as Zephyr's and TinyLlama's: roles are plain text
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
BRACKETS = (  # as Llama 2's and Mistral's: a blank before the reply
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] | trim }}</s>{% endif %}{% endfor %}"
)


def begins_with_a_blank(normalised: bool) -> PreTrainedTokenizerFast:
    """A tokenizer in the manner of SentencePiece's, with one of the two ways to write its blank."""
    characters = sorted({*"▁<|user|><|assistant|>[INST][/INST]Iti5.Whaso2+3?Terhmgbnyd"})
    merges = [("I", "t"), ("▁", "It"), ("▁", "5"), ("▁", "is")]
    pieces = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *characters]
    pieces += ["is", *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))},
            merges=[("i", "s"), *merges],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    if normalised:
        blanks = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = normalizers.Sequence(blanks)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", clean_up_tokenization_spaces=False
    )


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("template", [LINES, BRACKETS])
@pytest.mark.parametrize("reply", ["It is 5.", "5", "\nIt is 5.", ""])
def test_a_written_reply_begins_as_in_the_whole_rendering(
    normalised: bool, template: str, reply: str
) -> None:
    """A line break before it, and no blank that the tokenizer begins every text with."""
    tokenizer = begins_with_a_blank(normalised)
    tokenizer.chat_template = template
    chat = Chat(tokenizer)
    asked: list[Message] = [{"role": "user", "content": "2 + 3?"}]
    prompt = chat.prompt_ids(tuple(asked))
    whole = rendered(chat, [*asked, {"role": "assistant", "content": reply}])
    written = chat.reply_ids(reply, ended=False)
    trimmed = template == BRACKETS and reply[:1] == "\n"  # by design: what was sampled stays
    if not trimmed:
        assert whole[: len(prompt) + len(written)] == [*prompt, *written]
    assert chat.decode(written).lstrip(" ") == reply
    assert chat.reply_ids(reply)[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("normalised", [True, False])
def test_what_follows_a_reply_begins_as_in_the_whole_rendering(normalised: bool) -> None:
    """Also where no special token is between them."""
    tokenizer = begins_with_a_blank(normalised)
    tokenizer.chat_template = LINES.replace("</s>", "")
    chat = Chat(tokenizer)
    asked: list[Message] = [{"role": "user", "content": "2 + 3?"}]
    again: list[Message] = [{"role": "user", "content": "again"}]
    ids = [*chat.prompt_ids(tuple(asked)), *chat.reply_ids("It is 5.", ended=False)]
    whole = rendered(chat, [*asked, {"role": "assistant", "content": "It is 5."}, *again])
    assert [*ids, *chat.follow_up(ids, again)] == whole


def test_marks_of_thoughts_that_are_special_tokens_are_kept(fast: PreTrainedTokenizerFast) -> None:
    chat = chat_of(fast, "chatml")
    text = "<think>2 or 3?</think>It is 5."
    assert chat.decode(chat.reply_ids(text, ended=False)) == text


def test_without_a_template_roles_are_in_plain_words(fast: PreTrainedTokenizerFast) -> None:
    chat = chat_of(fast, "none")
    assert text_of(fast, chat.prompt_ids(tuple(ASKED))) == "User: What is 2 + 3?\n\nAssistant:"
    assert str(chat) == "plain chat template"
    written = chat.reply_ids("5")
    assert text_of(fast, written + chat.follow_up(written, AGAIN)).startswith(
        "5<|endoftext|>\n\nUser"
    )


def test_without_a_template_a_text_begins_as_the_tokenizer_begins_it(
    fast: PreTrainedTokenizerFast,
) -> None:
    """Base models of Llama 3 and Gemma were trained with a token before every text."""
    base = copy.deepcopy(fast)
    base.chat_template = None  # type: ignore[assignment]
    base._tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", base.bos_token_id)]
    )
    chat = Chat(base)
    opening = chat.prompt_ids(tuple(ASKED))
    assert text_of(base, opening) == "<bos>User: What is 2 + 3?\n\nAssistant:"
    assert base.bos_token_id not in chat.reply_ids("5") + chat.continuation_ids(AGAIN)
    base.chat_template = TEMPLATES["chatml"]  # a template writes its special tokens itself
    assert base.bos_token_id not in Chat(base).prompt_ids(tuple(ASKED))


def test_a_system_prompt_comes_first_or_is_refused(fast: PreTrainedTokenizerFast) -> None:
    chat = chat_of(fast, "chatml", system="Be brief.")
    text = text_of(fast, chat.prompt_ids(tuple(ASKED)))
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user")
    assert str(chat) == "system prompt 'Be brief.'"
    with pytest.raises(ValueError, match="refuses the conversation: no system role"):
        chat_of(fast, "turns of user and model", system="Be brief.")


def test_the_date_is_that_of_the_configuration(fast: PreTrainedTokenizerFast) -> None:
    chat = chat_of(fast, "headers and a date")
    assert "Today: 26 Jul 2024" in text_of(fast, chat.prompt_ids(tuple(ASKED)))
    chat = chat_of(fast, "headers and a date", date="2026-01-31")
    assert "Today: 31 Jan 2026" in text_of(fast, chat.prompt_ids(tuple(ASKED)))


def test_arguments_reach_the_template(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = (
        "{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}"
        "{% if enable_thinking is defined and enable_thinking is false %}off {{ style }}{% endif %}"
    )
    template = TemplateConfig(args=("enable_thinking=false", "style=short"))
    chat = Chat(fast, template=template)
    assert text_of(fast, chat.prompt_ids(tuple(ASKED))).endswith("off short")
    assert str(chat) == "enable_thinking=false, style=short"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("false", False), ("False", False), ("FALSE", False), ("True", True), ("true", True)),
        *(("None", None), ("null", None), ("3", 3), ("[1]", [1]), ("short", "short")),
        *(('"False"', "False"), ("falsehood", "falsehood")),
    ],
)
def test_values_are_json_or_python_s_words_or_text(text: str, value: object) -> None:
    assert TemplateConfig(args=(f"it={text}",)).arguments() == {"it": value}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"args": ("thinking",)}, "must be NAME=VALUE"),
        ({"args": ("messages=[]",)}, "can't set 'messages'"),
        ({"thoughts": "hide"}, "must be keep or drop"),
        ({"date": "26 Jul 2024"}, "must be YYYY-MM-DD"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TemplateConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["turns of user and model", "the last reply ends otherwise"])
def test_scores_are_of_what_was_sampled(fast: PreTrainedTokenizerFast, name: str) -> None:
    """Whichever end is sampled, its log-probability is the sampled token's, and turn 2 reads the
    template's own."""
    fast.chat_template = TEMPLATES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(fast),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.3,
            max_position_embeddings=512,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=0,
        )
        policy = Policy(LlamaForCausalLM(config).eval(), fast)
    ends = sorted(policy.chat.eos_ids)
    with torch.no_grad():
        cast(torch.nn.Linear, policy.model.get_output_embeddings()).weight[ends] *= 6
    env = SelfCorrectVectorEnv(24, "arithmetic", autoreset_mode=AutoresetMode.DISABLED)
    rollout = collect(
        policy,
        env,
        list(range(6)),
        samples=4,
        max_new_tokens=12,
        generator=torch.Generator().manual_seed(0),
    )
    scores = score(policy, policy, rollout)
    torch.testing.assert_close(
        scores.logps[rollout.mask], rollout.logps[rollout.mask], atol=1e-4, rtol=1e-4
    )
    here = torch.isin(rollout.sampled, torch.tensor(ends)) & rollout.mask
    assert len(rollout.sampled[here].unique()) > 1  # more than one end was sampled
    assert (rollout.ids[:, rollout.columns][here] == policy.chat.turn_end).all()


def test_a_system_prompt_is_written_once(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = LATE_SYSTEM
    chat = Chat(fast, template=TemplateConfig(system="Be brief."))
    reply = chat.reply_ids("5")
    text = text_of(fast, chat.prompt_ids(tuple(ASKED)) + reply + chat.follow_up(reply, AGAIN))
    assert text.count("Be brief.") == 1
    assert text.endswith("5<|endoftext|>[INST]There might be an error. Try again.[/INST]")


@pytest.mark.parametrize("template", [REASONING, OPENED])
def test_kept_thoughts_are_read_in_a_conversation_that_was_not_sampled(
    fast: PreTrainedTokenizerFast, template: str
) -> None:
    """As they are where it was: the ids of both are the same."""
    fast.chat_template = template
    chat = Chat(fast)
    sampled = chat.reply_ids("<think>\n2, 3?\n</think>\n\nIt is 5.")
    expected = [*chat.prompt_ids(tuple(ASKED)), *sampled, *chat.follow_up(sampled, AGAIN)]
    conversation = (*ASKED, {"role": "assistant", "content": chat.decode(sampled)}, *AGAIN)
    silent = (*ASKED, {"role": "assistant", "content": "5"}, *AGAIN)
    found, other, first = chat.batch_prompt_ids([conversation, silent, tuple(ASKED)])  # type: ignore[list-item]
    assert text_of(fast, found) == text_of(fast, expected)
    assert text_of(fast, found).count("2, 3?") == 1
    assert other == rendered(chat, list(silent))  # type: ignore[arg-type]
    assert first == rendered(chat, ASKED)


@pytest.mark.parametrize("text", ["It is 5.", "\nIt is 5.", "\n\nIt is 5."])
def test_a_reply_starts_on_a_new_line_where_the_template_writes_one(
    fast: PreTrainedTokenizerFast, text: str
) -> None:
    fast.chat_template = NEW_LINE
    chat = Chat(fast)
    written = chat.reply_ids(text)
    assert text_of(fast, written).startswith(text if text[0] == "\n" else f"\n{text}")
    assert chat.reply_ids(chat.decode(written)) == written


def test_a_plain_template_writes_one_blank_before_a_reply(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = None
    chat = Chat(fast)
    for reply in ("5", " 5"):
        history = (*ASKED, {"role": "assistant", "content": reply}, *AGAIN)
        assert "\n\nAssistant: 5<|endoftext|>" in text_of(fast, chat.prompt_ids(history))  # type: ignore[arg-type]


def test_a_pad_token_that_the_model_lacks_is_not_read(fast: PreTrainedTokenizerFast) -> None:
    padded = copy.deepcopy(fast)
    padded.add_special_tokens({"pad_token": "[PAD]"})
    assert padded.pad_token_id == len(fast)
    assert Chat(padded).pad_id == padded.pad_token_id
    assert Chat(padded, vocab_size=len(fast)).pad_id == fast.eos_token_id


def test_arguments_of_the_renderer_are_none_of_the_template() -> None:
    for name in inspect.signature(PreTrainedTokenizerFast.apply_chat_template).parameters:
        if name not in ("self", "kwargs"):
            with pytest.raises(ValueError, match=f"can't set '{name}'"):
                TemplateConfig(args=(f"{name}=1",))


def test_reports_name_what_is_not_the_model_s_template(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = None
    assert "plain chat template" in LanguageModelAgent(small_policy(fast)).decoding


def small_policy(fast: PreTrainedTokenizerFast, **template: object) -> Policy:
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    settings = TemplateConfig(**template)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Policy(LlamaForCausalLM(config).eval(), fast, template=settings)


def test_thoughts_of_earlier_replies_are_kept_or_dropped(fast: PreTrainedTokenizerFast) -> None:
    reply: Message = {"role": "assistant", "content": "<think>2, 3?</think>\nIt is 5."}
    conversation = (*ASKED, reply, *AGAIN)
    kept = chat_of(fast, "chatml").prompt_ids(conversation)
    assert "<think>2, 3?</think>\nIt is 5.<|im_end|>" in text_of(fast, kept)
    chat = chat_of(fast, "chatml", thoughts="drop")
    dropped = text_of(fast, chat.prompt_ids(conversation))
    assert "assistant\nIt is 5.<|im_end|>" in dropped
    assert "think" not in dropped
    assert str(chat) == "thoughts dropped"
    assert str(chat_of(fast, "chatml")) == ""
    fast.chat_template = REASONING
    assert str(Chat(fast)) == "thoughts kept"


def test_an_agent_that_drops_thoughts_reads_every_conversation_anew(
    fast: PreTrainedTokenizerFast,
) -> None:
    fast.chat_template = TEMPLATES["chatml"]
    agent = LanguageModelAgent(small_policy(fast, thoughts="drop"), max_new_tokens=8)
    first = (*ASKED,)
    (reply,) = agent.act([first])
    answered: Message = {"role": "assistant", "content": reply}
    later = (*first, answered, *AGAIN)
    (continued,) = agent.act([later])
    assert LanguageModelAgent(agent.policy, max_new_tokens=8).act([later]) == [continued]
    assert "thoughts dropped" in agent.decoding


def test_training_refuses_to_drop_thoughts(fast: PreTrainedTokenizerFast) -> None:
    fast.chat_template = TEMPLATES["chatml"]
    with pytest.raises(LearningError, match="thoughts='drop' is for measuring"):
        SCoRe(small_policy(fast, thoughts="drop")).learn("SelfCorrect-Arithmetic-v0")


@pytest.mark.parametrize("blanks", ["\n", " ", "\n\n"])
def test_blanks_before_the_end_of_a_turn_are_the_templates(
    fast: PreTrainedTokenizerFast, blanks: str
) -> None:
    """The end is written once, also where the model did not sample the blanks before it."""
    fast.chat_template = TEMPLATES["chatml"].replace(
        "{{ m['content'] }}", f"{{{{ m['content'] }}}}{blanks}"
    )
    chat = Chat(fast)
    end = cast(int, fast.convert_tokens_to_ids("<|im_end|>"))
    assert chat.turn_end == end
    assert end in chat.eos_ids
    whole = rendered(chat, [*ASKED, {"role": "assistant", "content": "5"}, *AGAIN])
    opening, written = chat.prompt_ids(tuple(ASKED)), chat.reply_ids("5")
    assert opening + written + chat.follow_up(written, AGAIN) == whole
    cut_off = chat.reply_ids("5", ended=False)
    assert opening + cut_off + chat.follow_up(cut_off, AGAIN) == whole
    sampled = [*cut_off, end]
    text = text_of(fast, opening + sampled + chat.follow_up(sampled, AGAIN))
    assert text == text_of(fast, whole).replace(f"5{blanks}<|im_end|>", "5<|im_end|>")


def test_an_added_blank_is_no_end(fast: PreTrainedTokenizerFast) -> None:
    """Gemma's tokenizer lists line breaks among its added tokens."""
    fast.add_tokens(["\n", "\n\n"])
    newline = cast(int, fast.convert_tokens_to_ids("\n"))
    fast.chat_template = TEMPLATES["chatml"].replace("{{ m['content'] }}", "{{ m['content'] }}\n")
    chat = Chat(fast)
    assert chat.turn_end == fast.convert_tokens_to_ids("<|im_end|>")
    assert newline not in chat.eos_ids
    fast.chat_template = PLAIN_WORDS
    assert newline not in Chat(fast).eos_ids


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        (TEMPLATES["chatml"], {"args": ("enable_thinkin=false",)}, "no argument 'enable_thinkin'"),
        (
            "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] }}{% endif %}"
            "{% endfor %}",
            {"system": "Be brief."},
            "leaves out the system prompt",
        ),
        (
            "{% for m in messages %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}"
            "{% endfor %}",
            {},
            "a message that is a plain text",
        ),
        ("{{ messages[0]['content'] + size }}", {"args": ("size=3",)}, "refuses the conversation"),
        ("{{ messages[0]['content'] }}{{ 1 / 0 }}", {}, "refuses the conversation: division"),
    ],
)
def test_a_template_that_does_not_write_what_it_is_given_is_refused(
    fast: PreTrainedTokenizerFast, template: str, options: dict[str, Any], message: str
) -> None:
    fast.chat_template = template
    with pytest.raises(ValueError, match=message):
        Chat(fast, template=TemplateConfig(**options))


def test_a_template_that_asks_for_a_system_prompt_gets_it(fast: PreTrainedTokenizerFast) -> None:
    asks = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no system') }}{% endif %}"
    fast.chat_template = asks + TEMPLATES["chatml"]
    with pytest.raises(ValueError, match="no system"):
        Chat(fast)
    chat = Chat(fast, template=TemplateConfig(system="Be brief."))
    reply = chat.reply_ids("5")
    text = text_of(fast, chat.prompt_ids(tuple(ASKED)) + reply + chat.follow_up(reply, AGAIN))
    assert text.count("Be brief.") == 1
    assert text.endswith(
        "5<|im_end|>\n<|im_start|>user\nThere might be an error. Try again."
        "<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("form", "date"),
    [("%F", "2024-07-26"), ("%D", "07/26/24"), ("%-d. %B %Y", "26. July 2024"), ("%U", "29")],
)
def test_a_date_in_any_form_is_the_one_that_is_given(
    fast: PreTrainedTokenizerFast, form: str, date: str
) -> None:
    fast.chat_template = f"{{{{ strftime_now('{form}') }}}}|" + TEMPLATES["chatml"]
    assert text_of(fast, Chat(fast).prompt_ids(tuple(ASKED))).startswith(f"{date}|")


def test_the_template_is_a_part_of_what_is_hashed(fast: PreTrainedTokenizerFast) -> None:
    def found(name: str, **options: object) -> str:
        return chat_of(fast, name, **options).fingerprint()

    assert found("chatml") == found("chatml")
    others = [
        found("instructions in brackets"),
        found("chatml", system="Be brief."),
        found("chatml", date="2025-01-01"),
        found("chatml", thoughts="drop"),
    ]
    assert len({found("chatml"), *others}) == 5
