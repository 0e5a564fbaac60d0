"""The vote, its cost, and how answers are read for it."""

import pytest

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.majority import Majority, MajorityConfig, elected
from selfcorrect_env import Attempt, SelfCorrectEnv, play
from selfcorrect_env.errors import AgentError


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
    sample = agent.policy.replies
    agent.policy.replies = lambda turn: drawn.extend(sample(turn)) or sample(turn)  # type: ignore[method-assign]
    try:
        (episode,) = play(agent, sums, indices=[3])
    finally:
        agent.policy.replies = sample  # type: ignore[method-assign]
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


@pytest.mark.parametrize("budget", [1, 2, 7, 11])
def test_a_budget_is_spent_to_the_last_token(
    taught: Policy, sums: SelfCorrectEnv, budget: int
) -> None:
    """Of samples cut off at 2 tokens each: the first attempt's, whole ones, a part of another."""
    agent = Majority(taught, max_new_tokens=2, temperature=1.0, tokens=budget)
    for episode in play(agent, sums, indices=range(10)):
        first, second = episode.attempts
        assert (first.tokens, second.tokens) == (2, max(0, budget - 2))
    assert f"{budget} for a vote" in agent.decoding


def test_a_budget_holds_whatever_samples_take(taught: Policy, sums: SelfCorrectEnv) -> None:
    """Replies end where they like here; only what is finished within the budget has a vote."""
    agent = Majority(taught, max_new_tokens=12, temperature=1.0, tokens=30)
    played = attempts_of(agent, sums)
    assert len({first.tokens for first, _ in played}) > 1, "all take the same: nothing is shown"
    for first, second in played:
        assert second.tokens == 30 - min(12, len(taught.chat.reply_ids(first.reply)))
    exact = [(first.tokens or 0) + (second.tokens or 0) == 30 for first, second in played]
    assert sum(exact) > 90, "special tokens inside a first reply are rare"


def test_a_sample_that_the_budget_cuts_off_has_no_vote(
    taught: Policy, sums: SelfCorrectEnv
) -> None:
    """Two more samples may outvote an answer; with room for one and a half they never do."""
    short, long = (
        Majority(taught, max_new_tokens=2, temperature=1.0, tokens=tokens) for tokens in (5, 6)
    )
    for agent, outvoted in ((short, False), (long, True)):
        answered = [pair for pair in attempts_of(agent, sums) if pair[0].verdict.answer]
        assert any(second.reply != first.reply for first, second in answered) is outvoted


def attempts_of(agent: Majority, env: SelfCorrectEnv) -> list[tuple[Attempt, ...]]:
    return [episode.attempts for episode in play(agent, env, indices=range(100), batch_size=100)]


def test_a_vote_has_a_size_or_a_budget(policy: Policy) -> None:
    with pytest.raises(ValueError, match="tokens must be at least 1"):
        MajorityConfig(tokens=0)
    with pytest.raises(ValueError, match="omit k=5 or tokens=10"):
        Majority(policy, k=5, tokens=10)


def test_an_unknown_instruction_needs_the_form_of_answers(taught: Policy) -> None:
    env = SelfCorrectEnv([{"prompt": "1+1=", "reference": "2"}])
    with pytest.raises(AgentError, match=r"Set answers= .* exact"):
        play(Majority(taught, max_new_tokens=2), env)
    assert play(Majority(taught, max_new_tokens=2, answers="exact"), env)


@pytest.mark.parametrize("k", [1, 0])
def test_a_vote_of_one_is_refused(policy: Policy, k: int) -> None:
    with pytest.raises(ValueError, match="k must be at least 2"):
        MajorityConfig(k=k)
    with pytest.raises(ValueError, match="k must be at least 2"):
        Majority(policy, k=k)
