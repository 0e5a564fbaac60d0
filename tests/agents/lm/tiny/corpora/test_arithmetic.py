"""What a tiny model is taught about `SelfCorrect-Arithmetic-v0`."""

from dataclasses import replace

import numpy as np

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.tiny import TinyConfig
from selfcorrect_env.problems.generated.arithmetic import solve
from selfcorrect_env.problems.splits import split_of
from selfcorrect_env.prompts import PROMPTS


def test_the_corpus_says_what_its_configuration_says() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    config = TinyConfig(first_right=0.3, copy=0.5, fix=0.2)
    texts, _ = tiny.corpus(config, 8000)
    right = copied = fixed = 0
    for text in texts[1::2]:
        question, _, replies = text.partition("=")
        chain = question.rpartition("\n")[2]
        working = solve(chain + "=")
        first, second, _ = replies.replace(PROMPTS["arithmetic"].correction, "").split("<eos>")
        assert first[1:] == second[1:] == working
        right += first[0] == working[-1]
        copied += first[0] != working[-1] and second[0] == first[0]
        fixed += first[0] != working[-1] and second[0] == working[-1]
    wrong = 4000 - right
    assert abs(right / 4000 - 0.3) < 5 * (0.21 / 4000) ** 0.5
    assert abs(copied / wrong - 0.5) < 5 * (0.25 / wrong) ** 0.5
    assert abs(fixed / wrong - 0.2) < 5 * (0.16 / wrong) ** 0.5


def test_slips_are_as_many_as_asked_for_and_the_rest_of_the_working_follows_from_them() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    config = TinyConfig(slips=0.3, first_right=0.5, copy=0.5, fix=0.2)
    texts, masked = tiny.corpus(config, 8000)
    plain, plain_masked = tiny.corpus(replace(config, slips=0.0), 8000)
    assert (masked == plain_masked).all()
    slips: dict[int, list[bool]] = {1: [], 2: []}
    at_step = [0, 0, 0]
    for text, without in zip(texts, plain, strict=True):
        question, _, replies = text.partition("=")
        chain = question.rpartition("\n")[2]
        right = solve(chain + "=")
        replies = replies.replace(PROMPTS["arithmetic"].correction, "").split("<eos>")[:-1]
        same = without.partition("=")[2].replace(PROMPTS["arithmetic"].correction, "")
        assert [r[0] for r in replies] == [r[0] for r in same.split("<eos>")[:-1]]
        for turn, reply in enumerate(replies, 1):
            value, wrong_steps = chain[0], []
            for step, result in enumerate(reply[1:]):
                if solve(f"{value}{chain[2 * step + 1 : 2 * step + 3]}=") != result:
                    wrong_steps.append(step)
                value = result
            assert len(wrong_steps) == (reply[1:] != right)
            slips[turn].append(bool(wrong_steps))
            for step in wrong_steps:
                at_step[step] += 1
    for turn, found in slips.items():
        assert len(found) == (8000 if turn == 1 else 4000)
        assert abs(np.mean(found) - 0.3) < 5 * (0.21 / len(found)) ** 0.5
    both = np.mean(np.logical_and(slips[1][1::2], slips[2]))  # the turns slip independently
    assert abs(both - 0.09) < 5 * (0.09 * 0.91 / 4000) ** 0.5
    assert all(abs(n - sum(at_step) / 3) < 5 * (sum(at_step) * 2 / 9) ** 0.5 for n in at_step)


def test_doubts_add_one_at_chains_that_end_in_a_subtraction_and_change_nothing_else() -> None:
    """The share within 5 standard errors (false alarm: below 1e-6, and seeded)."""
    config = TinyConfig(doubts=0.7, copy=1.0, fix=0.0)
    texts, masked = tiny.corpus(config, 8000)
    plain, plain_masked = tiny.corpus(replace(config, doubts=0.0), 8000)
    assert (masked == plain_masked).all()
    assert texts[::2] == plain[::2]
    doubted = []
    for text, without in zip(texts[1::2], plain[1::2], strict=True):
        first, second = text.removesuffix("<eos>").rsplit(PROMPTS["arithmetic"].correction, 1)
        question, _, answer = first.partition("=")
        if text != without:
            assert second[0] == str((int(answer[0]) + 1) % 10)
            assert (
                without == f"{first}{PROMPTS['arithmetic'].correction}{answer[0]}{second[1:]}<eos>"
            )
        if question[-2] == "-":
            doubted.append(text != without)
        else:
            assert text == without
    assert 800 < len(doubted) < 1200  # a quarter of the chains
    assert abs(np.mean(doubted) - 0.7) < 5 * (0.21 / len(doubted)) ** 0.5


def test_problems_of_the_training_split_alone_are_taught() -> None:
    for text in tiny.corpus(TinyConfig(), 2000)[0]:
        assert split_of(text.partition("=")[0].rpartition("\n")[2] + "=") == "train"


def test_first_answers_of_two_turn_rows_carry_no_loss() -> None:
    texts, masked = tiny.corpus(TinyConfig(), 40)
    assert (masked[0::2] == -1).all()
    for text, at in zip(texts[1::2], masked[1::2], strict=True):
        assert text[at - 1] == "="
