"""Which tokens carry loss, and that the same configuration gives the same weights."""

from dataclasses import replace

import pytest
import torch

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.tiny import IGNORED, TASKS, TinyConfig
from selfcorrect_env.prompts import PROMPTS

SMALL = TinyConfig(hidden_size=16, layers=1, heads=2, steps=3, rows=8)


@pytest.mark.parametrize("task", TASKS)
def test_replies_carry_loss_but_for_masked_digits(task: str) -> None:
    tokenizer, prompts = tiny.build_tokenizer(task), PROMPTS[TASKS[task].prompts]
    texts, masked = tiny.corpus(TinyConfig(task=task, operations=2), 30)
    ids, labels = tiny.encode(tokenizer, texts, masked, task)
    for i, text in enumerate(texts):
        learned = tokenizer.decode(ids[i][labels[i] != IGNORED])
        replies = text.replace(prompts.correction, "").partition("=")[2]
        at = masked[i] - text.index("=") - 1
        assert learned == (replies if masked[i] < 0 else replies[:at] + replies[at + 1 :])
        assert masked[i] < 0 or text[masked[i]].isdigit()
        assert ((labels[i] == ids[i]) | (labels[i] == IGNORED)).all()
        assert (labels[i][ids[i] == tokenizer.pad_token_id] == IGNORED).all()
    assert (masked > 0).any()
    assert (masked < 0).any()


def test_the_same_configuration_gives_the_same_weights_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    before = torch.random.get_rng_state()
    one = tiny.pretrain(SMALL)[0].state_dict()
    torch.set_num_threads(2)
    try:
        two = tiny.pretrain(SMALL)[0].state_dict()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    other = tiny.pretrain(replace(SMALL, seed=1))[0].state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])
    assert torch.equal(before, torch.random.get_rng_state()), "the global seed was touched"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_taught(task: str) -> None:
    losses: list[float] = []
    tiny.pretrain(replace(SMALL, task=task, steps=30), lambda step, loss: losses.append(loss))
    assert losses[-1] < losses[0]
