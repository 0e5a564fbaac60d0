"""The tokenizer of each task, and the chat template."""

import pytest

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.tiny import TASKS, TinyConfig
from selfcorrect_env import UnknownNameError
from selfcorrect_env.problems.sources import load_problems
from selfcorrect_env.prompts import PROMPTS

REPLIES = {"arithmetic": "3743", "toycode": "+1*71-47+18"}
TOKENS = {"arithmetic": 20, "toycode": 35}


@pytest.mark.parametrize("task", TASKS)
def test_every_text_of_the_task_survives_its_tokens(task: str) -> None:
    tokenizer, prompts = tiny.build_tokenizer(task), PROMPTS[TASKS[task].prompts]
    for problem in load_problems(task).head(50):
        for text in (prompts.first(problem)[0]["content"], prompts.correction, REPLIES[task]):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("task", TASKS)
def test_an_episode_is_20_to_40_tokens_long(task: str) -> None:
    texts, _ = tiny.corpus(TinyConfig(task=task), 2)
    assert len(tiny.build_tokenizer(task)(texts[1])["input_ids"]) == TOKENS[task]


@pytest.mark.parametrize("task", TASKS)
def test_the_chat_template_writes_what_the_corpus_holds(task: str) -> None:
    tokenizer, prompts = tiny.build_tokenizer(task), PROMPTS[TASKS[task].prompts]
    for text in tiny.corpus(TinyConfig(task=task), 40)[0]:
        first, *rest = text.split("<eos>")
        question, _, reply = first.partition("=")
        messages = [
            {"role": "user", "content": question + "="},
            {"role": "assistant", "content": reply},
        ]
        if rest[0]:
            messages += [
                {"role": "user", "content": prompts.correction},
                {"role": "assistant", "content": rest[0].removeprefix(prompts.correction)},
            ]
        assert tokenizer.apply_chat_template(messages, tokenize=False) == text


def test_arithmetic_is_the_default() -> None:
    assert tiny.build_tokenizer().get_vocab() == tiny.build_tokenizer("arithmetic").get_vocab()
    assert "?" not in tiny.build_tokenizer().get_vocab()


def test_a_task_that_there_is_not() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'toycode'"):
        tiny.build_tokenizer("toycoda")
