"""The chances of every transition, against counting all outcomes."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from expected_metrics import (
    KNOWN,
    Array,
    Chances,
    compare,
    digit_probabilities,
)
from torch.testing import assert_close

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.majority import elected
from selfcorrect_env import SelfCorrectEnv
from selfcorrect_env.evaluation.evaluator import play
from selfcorrect_env.evaluation.metrics import measure


def counted(p: Array, right: int, draws: int, last: Callable[..., int]) -> list[float]:
    """Add up the probabilities of all sequences of ``draws`` answers: right, i→c, c→i, same."""
    sums = [0.0] * 4
    for sequence in itertools.product(range(10), repeat=draws):
        chance = float(np.prod(p[list(sequence)]))
        first, final = sequence[0], last(*sequence)
        events = (first == right, first != right == final, first == right != final, first == final)
        sums = [total + chance * event for total, event in zip(sums, events, strict=True)]
    return sums


def voted(*answers: int) -> int:
    return answers[elected([str(answer) for answer in answers])]


@pytest.mark.parametrize(
    ("name", "draws", "last"),
    [
        ("copy", 1, lambda first: first),
        ("resample", 2, lambda first, second: second),
        ("majority, k = 2", 2, voted),
        ("majority, k = 3", 3, voted),
    ],
)
def test_chances_are_those_of_all_outcomes(name: str, draws: int, last: Callable[..., int]) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(10, 0.5), size=3)
    right = np.array([0, 4, 9])
    chances = KNOWN[name](p, right)
    for row in range(3):
        ours = [
            array[row] for array in (chances.right, chances.fixed, chances.broken, chances.same)
        ]
        np.testing.assert_allclose(ours, counted(p[row], right[row], draws, last), atol=1e-12)


def test_the_chances_of_a_changed_answer() -> None:
    p = np.array([[0.5, 0.5] + [0.0] * 8])
    chances = KNOWN["always_flip"](p, np.array([0]))
    assert (chances.right[0], chances.broken[0], chances.same[0]) == (0.5, 0.5, 0.0)
    assert chances.fixed[0] == pytest.approx(0.5 / 9)


def test_a_vote_of_two_where_some_replies_have_no_answer() -> None:
    p = np.array([[0.5, 0.3] + [0.0] * 8])
    chances = KNOWN["majority, k = 2"](p, np.array([0]))
    assert (chances.right[0], chances.broken[0]) == (0.5, 0.0)
    assert chances.fixed[0] == pytest.approx(0.2 * 0.5)
    assert chances.same[0] == pytest.approx(1 - 0.2 * 0.8)


def test_digit_probabilities_are_the_softmax_of_the_next_token(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", size=3)
    conversations = [env.prompts.first(problem) for problem in env.problems]
    p = digit_probabilities(policy, conversations, temperature=2.0)
    for row, conversation in enumerate(conversations):
        ids = torch.tensor([policy.chat.prompt_ids(conversation)])
        with torch.no_grad():
            logits = policy.model(ids).logits[0, -1] / 2.0
        known = logits.softmax(-1)[policy.tokenizer.convert_tokens_to_ids(list("0123456789"))]
        assert_close(torch.tensor(p[row]).float(), known, atol=1e-5, rtol=1e-4)
    assert p.sum() < 3


def test_a_metric_that_is_certain_may_not_be_missed_at_all() -> None:
    env = SelfCorrectEnv([{"prompt": f"{i}", "reference": str(i % 2)} for i in range(100)])
    metrics = measure(play(lambda conversation: "1", env))
    half, none, all_ = np.full(100, 0.5), np.zeros(100), np.ones(100)
    lines = {line.metric: line for line in compare(Chances(half, none, half, all_), metrics)}
    assert lines["accuracy@t1"].measured == 0.5
    assert lines["accuracy@t1"].deviation == 0.0
    assert lines["Δ i→c"].deviation == lines["same answer"].deviation == 0.0
    assert lines["Δ c→i"].deviation == pytest.approx(-50 / 26**0.5)  # 50 ± 5, and one more
    assert lines["accuracy@t2"].deviation == np.inf
