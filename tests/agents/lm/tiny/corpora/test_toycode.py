"""What a tiny model is taught about `SelfCorrect-ToyCode-v0`."""

import re
from dataclasses import replace

import numpy as np

from selfcorrect_agents.lm import tiny
from selfcorrect_agents.lm.tiny import TinyConfig
from selfcorrect_agents.lm.tiny.corpora.toycode import log
from selfcorrect_env.problems.generated.toycode import CHOICES, as_problem
from selfcorrect_env.problems.splits import split_of
from selfcorrect_env.prompts import PROMPTS
from selfcorrect_env.verifiers import get_verifier
from selfcorrect_env.verifiers.toycode import run

CONFIG = TinyConfig(task="toycode")


def parts(text: str) -> tuple[str, list[str]]:
    """Return a conversation's statement and its replies."""
    question, _, replies = text.partition("=")
    replies = replies.replace(PROMPTS["toycode"].correction, "")
    return question.rpartition("\n")[2] + "=", replies.split("<eos>")[:-1]


def right(statement: str, reply: str) -> bool:
    return get_verifier("toycode").verify(as_problem(statement), reply).correct


def close(found: float, share: float, count: int) -> bool:
    """Within 5 standard errors."""
    return abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5


def test_the_corpus_says_what_its_configuration_says() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    config = replace(CONFIG, first_right=0.3, copy=0.5, fix=0.2)
    texts, masked = tiny.corpus(config, 8000)
    first_right, copied, fixed, wrong = 0, 0, 0, 0
    for i, (text, at) in enumerate(zip(texts, masked, strict=True)):
        statement, replies = parts(text)
        assert split_of(statement) == "train"
        assert len(replies) == 1 + i % 2
        for reply in replies:
            assert reply[2:] == log(statement, reply[:2])
            assert reply[0] == "+"
            assert int(reply[1]) < CHOICES
        was_right = right(statement, replies[0])
        first_right += was_right
        assert at == (-1 if was_right else text.index("=") + 2)
        if i % 2:
            same = replies[1] == replies[0]
            assert same or not (was_right and right(statement, replies[1]))
            wrong += not was_right
            copied += same and not was_right
            fixed += not was_right and right(statement, replies[1])
    assert close(first_right / 8000, 0.3, 8000)
    assert close(copied / wrong, 0.5, wrong)
    assert close(fixed / wrong, 0.2, wrong)


def test_a_log_is_the_run_of_the_finished_program() -> None:
    assert log("*7-4?3>8=", "+1") == "*71-47+18"
    assert log("?3>8=", "*2") == "*26"
    for text in tiny.corpus(CONFIG, 100)[0]:
        statement, replies = parts(text)
        program, _, test = statement.partition("?")
        for reply in replies:
            steps = re.findall(r"([-+*][0-9])([0-9])", reply[2:])
            assert "".join(step for step, _ in steps) == program + reply[:2]
            assert "".join(result for _, result in steps) == run(program + reply[:2], int(test[0]))


def test_slips_leave_answers_alone_and_the_rest_of_the_log_follows_from_them() -> None:
    """Shares within 5 standard errors (false alarm: below 1e-6 each, and seeded)."""
    texts, masked = tiny.corpus(replace(CONFIG, slips=0.3), 4000)
    plain, plain_masked = tiny.corpus(CONFIG, 4000)
    assert (masked == plain_masked).all()
    slipped: list[bool] = []
    for text, without in zip(texts, plain, strict=True):
        statement, replies = parts(text)
        assert [r[:2] for r in replies] == [r[:2] for r in parts(without)[1]]
        for reply in replies:
            value, wrong = int(statement.partition("?")[2][0]), 0
            for step, result in re.findall(r"([-+*][0-9])([0-9])", reply[2:]):
                wrong += run(step, value) != result
                value = int(result)
            assert wrong == (reply[2:] != log(statement, reply[:2]))
            slipped.append(bool(wrong))
    assert close(float(np.mean(slipped)), 0.3, len(slipped))
