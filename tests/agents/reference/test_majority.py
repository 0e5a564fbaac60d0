"""The vote, its cost, and how answers are read for it."""

import pytest

from selfcorrect_agents.policy import Policy
from selfcorrect_agents.reference.majority import Majority, MajorityConfig, elected
from selfcorrect_env import SelfCorrectEnv, play
from selfcorrect_env.agent_registry import AgentError


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        (["a", "b", "b"], 1),
        (["a", "b", "c"], 0),
        (["a", "b", "b", "a"], 0),
        (["a", None, None], 0),
        ([None, None, "a"], 2),
        ([None, None], 0),
    ],
)
def test_who_is_elected(answers: list[str | None], place: int) -> None:
    assert elected(answers) == place


def test_the_reply_is_a_sample_with_the_most_frequent_answer(
    taught: Policy, sums: SelfCorrectEnv
) -> None:
    agent = Majority(taught, max_new_tokens=6, temperature=1.0, k=5)
    drawn: list[str] = []
    sample = agent.policy.reply
    agent.policy.reply = lambda turn, row: drawn.append(sample(turn, row)) or sample(turn, row)  # type: ignore[method-assign]
    try:
        (episode,) = play(agent, sums, indices=[3])
    finally:
        agent.policy.reply = sample  # type: ignore[method-assign]
    assert len(drawn) == 5
    assert episode.attempts[0].reply == drawn[0]
    digits = [next((c for c in reply if c.isdigit()), "") for reply in drawn]
    best = max(digits, key=lambda digit: (digits.count(digit), -digits.index(digit)))
    assert episode.attempts[1].reply == drawn[digits.index(best)]


def test_tokens_are_those_of_all_further_samples(taught: Policy, sums: SelfCorrectEnv) -> None:
    """Without an end of turn every sample is cut off at 2 tokens, so a vote of k costs 2 k."""
    agent = Majority(taught, max_new_tokens=2, temperature=0.0, k=4)
    for episode in play(agent, sums, indices=range(20)):
        first, second = episode.attempts
        assert (first.tokens, second.tokens) == (2, 6)
        assert first.truncated
        assert second.reply == first.reply  # at T = 0 all samples are alike


def test_an_unknown_instruction_needs_the_form_of_answers(taught: Policy) -> None:
    env = SelfCorrectEnv([{"prompt": "1+1=", "reference": "2"}])
    with pytest.raises(AgentError, match=r"Give answers= .* last-line"):
        play(Majority(taught, max_new_tokens=2), env)
    assert play(Majority(taught, max_new_tokens=2, answers="last-line"), env)


@pytest.mark.parametrize("k", [1, 0])
def test_a_vote_of_one_is_refused(policy: Policy, k: int) -> None:
    with pytest.raises(ValueError, match="k must be at least 2"):
        MajorityConfig(k=k)
    with pytest.raises(ValueError, match="k must be at least 2"):
        Majority(policy, k=k)
