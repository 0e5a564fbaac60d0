"""Traces: which pairs of replies a set holds, and their context."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_agents.imitation.traces import (
    Trace,
    by_problem,
    consecutive,
    d_sft,
    d_star,
    sample_of,
)
from selfcorrect_agents.methods.rise.rise import best_of_n
from selfcorrect_env import Attempt, Conversation, Episode, Problem, Reason, Verdict, play
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.prompts import PROMPTS
from selfcorrect_env.verifiers.base import reason_of

PROMPT = PROMPTS["plain"]


def attempt(reply: str, score: float | None) -> Attempt:
    if score is None:
        return Attempt(reply=reply, verdict=Verdict(0.0, Reason.ERROR))
    return Attempt(reply=reply, verdict=Verdict(score, reason_of(score)))


def episode(name: str, replies: list[tuple[str, float | None]], given_first: bool = False):
    metadata = {"first_attempt": "given"} if given_first else {}
    problem = Problem(id=name, prompt=f"problem {name}", reference="1", metadata=metadata)
    conversation = PROMPT.first(problem)
    for reply, _ in replies[:-1]:
        conversation = PROMPT.correct(conversation, reply)
    conversation = (*conversation, {"role": "assistant", "content": replies[-1][0]})
    attempts = tuple(attempt(*reply) for reply in replies)
    return Episode(problem=problem, attempts=attempts, conversation=conversation)


replies = st.tuples(st.text("ab", max_size=3), st.sampled_from([0.0, 0.5, 1.0, 1.0, None]))


def some(least: int, most: int) -> st.SearchStrategy[list[Episode]]:
    """Episodes of three problems, each with or without a given first attempt."""
    one = st.builds(
        episode, st.sampled_from("xyz"), st.lists(replies, min_size=least, max_size=most)
    )
    repaired = st.builds(
        episode, st.just("r"), st.lists(replies, min_size=least, max_size=most), st.just(True)
    )
    return st.lists(st.one_of(one, repaired), max_size=12)


def judged(episodes: list[Episode]) -> list[Episode]:
    return [e for e in episodes if all(a.verdict.reason is not Reason.ERROR for a in e.attempts)]


def right(a: Attempt) -> bool:
    return a.verdict.score == 1.0


def whole(trace: Trace) -> Conversation:
    """The conversation of a trace, put together again."""
    return (
        *trace.opening,
        {"role": "assistant", "content": trace.first.reply},
        *trace.instruction,
        {"role": "assistant", "content": trace.second.reply},
    )


# -- the parts of an episode -----------------------------------------------------------------
@given(some(1, 3))
def test_consecutive_pairs_put_together_are_the_conversation(episodes: list[Episode]) -> None:
    for e in episodes:
        traces = consecutive(e)
        assert len(traces) == len(e.attempts) - 1
        for t, trace in enumerate(traces):
            assert (trace.first, trace.second) == e.attempts[t : t + 2]
            assert whole(trace) == e.conversation[: len(whole(trace))]
            assert trace.instruction == ({"role": "user", "content": PROMPT.correction},)
            assert trace.opening[-1]["role"] == "user"
        if traces:
            assert whole(traces[-1]) == e.conversation


def test_a_given_first_attempt_belongs_to_the_opening() -> None:
    (trace,) = consecutive(episode("r", [("wrong", 0.0), ("right", 1.0)], given_first=True))
    assert [m["content"] for m in trace.opening] == ["problem r", "given", PROMPT.correction]
    assert trace.first.reply == "wrong"


def test_the_environment_itself_makes_such_episodes() -> None:
    rows = [{"prompt": "1+1", "reference": "2", "first_attempt": "3"}]
    env = SelfCorrectEnv(rows, attempts=3, verifier="exact", prompts="plain")
    answers = iter(["5", "2", "2"])
    (played,) = play(lambda conversation: next(answers), env)
    first, second = consecutive(played)
    assert len(first.opening) == 3
    assert (first.first.reply, first.second.reply, second.second.reply) == ("5", "2", "2")
    assert whole(second) == played.conversation
    assert d_star([played]) == [first]


# -- D_STaR ----------------------------------------------------------------------------------
@given(some(1, 3))
def test_d_star_is_what_the_paper_says(episodes: list[Episode]) -> None:
    """(x, y⁻, y⁺), consecutive attempts of one trace; with +, also (x, y⁺, y⁺)."""
    pairs = [
        (e.problem.id, e.attempts[t].reply, e.attempts[t + 1].reply, right(e.attempts[t]))
        for e in judged(episodes)
        for t in range(len(e.attempts) - 1)
        if right(e.attempts[t + 1])
    ]
    found = [(t.problem_id, t.first.reply, t.second.reply) for t in d_star(episodes)]
    assert found == [pair[:3] for pair in pairs if not pair[3]]
    found = [(t.problem_id, t.first.reply, t.second.reply) for t in d_star(episodes, plus=True)]
    assert found == [pair[:3] for pair in pairs]


# -- D_SFT -----------------------------------------------------------------------------------
@given(some(2, 3), st.booleans(), st.integers(0, 5))
def test_d_sft_is_what_the_paper_says(episodes: list[Episode], plus: bool, seed: int) -> None:
    """(x, y⁻, ỹ⁺): each wrong attempt once, with a right one of the same problem."""
    traces = d_sft(episodes, np.random.default_rng(seed), plus=plus)
    attempts: dict[str, list[Attempt]] = {}
    for e in judged(episodes):
        attempts.setdefault(e.problem.id, []).extend(e.attempts)
    expected = Counter(
        (name, a.reply, a.verdict.score)
        for name, listed in attempts.items()
        for a in listed
        if any(map(right, listed)) and (plus or not right(a))
    )
    assert Counter((t.problem_id, t.first.reply, t.first.verdict.score) for t in traces) == expected
    for trace in traces:
        assert trace.second in [a for a in attempts[trace.problem_id] if right(a)]
        assert trace.opening[0]["content"] == f"problem {trace.problem_id}"
        assert len(trace.opening) == (3 if trace.problem_id == "r" else 1)
        assert trace.weight == 1.0
    assert traces == d_sft(episodes, np.random.default_rng(seed), plus=plus)


def test_d_sft_draws_every_right_reply() -> None:
    """Each of four with probability 1/4 in 400 draws: one is missing with probability 4e-50."""
    episodes = [episode("x", [("w", 0.0), (f"r{i % 4}", 1.0)]) for i in range(400)]
    traces = d_sft(episodes, np.random.default_rng(0))
    assert {t.second.reply for t in traces} == {"r0", "r1", "r2", "r3"}
    assert len(traces) == 400


def test_d_sft_needs_an_instruction() -> None:
    with pytest.raises(ValueError, match="have one attempt"):
        d_sft([episode("x", [("r", 1.0)])], np.random.default_rng(0))


# -- RISE ------------------------------------------------------------------------------------
@given(some(2, 2), st.integers(0, 5), st.sampled_from([0.5, 1.0, 4.0]))
def test_best_of_n_gives_each_situation_a_weighted_best_reply(
    episodes: list[Episode], seed: int, temperature: float
) -> None:
    traces = best_of_n(episodes, np.random.default_rng(seed), temperature)
    groups: dict[str, list[Episode]] = {}
    for e in judged(episodes):
        groups.setdefault(e.problem.id, []).append(e)
    assert len(traces) == len(judged(episodes))
    places = [(group, e) for group in groups.values() for e in group]
    for trace, (group, e) in zip(traces, places, strict=True):
        known = [a for other in group for a in other.attempts if right(a)]
        assert trace.first == e.attempts[0]
        assert trace.second in known if known else trace.second == e.attempts[1]
        assert whole(trace)[:-1] == e.conversation[:-1], "the situation is its own"
        mean = sum(other.attempts[1].verdict.score for other in group) / len(group)
        expected = math.exp((trace.second.verdict.score - mean) / temperature)
        assert trace.weight == pytest.approx(expected)


def test_wrong_replies_to_unsolved_problems_weigh_1_and_may_be_left_out() -> None:
    """x is solved by one of four second attempts, y by none: exp(0) = 1 against exp(3/4)."""
    solved = [episode("x", [("w", 0.0), ("r", float(i == 0))]) for i in range(4)]
    unsolved = [episode("y", [("v", 0.0), (f"v{i}", 0.0)]) for i in range(2)]
    every = best_of_n([*solved, *unsolved], np.random.default_rng(0), 1.0)
    weights = [(trace.problem_id, trace.second.reply, trace.weight) for trace in every]
    assert weights[4:] == [("y", "v0", 1.0), ("y", "v1", 1.0)]
    assert weights[:4] == 4 * [("x", "r", math.exp(0.75))]
    rng = np.random.default_rng(0)
    assert best_of_n([*solved, *unsolved], rng, 1.0, solved_only=True) == every[:4]


@pytest.mark.parametrize("temperature", [0.01, 1e-4])
def test_weights_of_a_small_temperature_are_finite(temperature: float) -> None:
    solved = [episode("x", [("w", 0.0), ("r", float(i == 0))]) for i in range(4)]
    traces = best_of_n(solved, np.random.default_rng(0), temperature)
    weights = torch.tensor([trace.weight for trace in traces])
    assert bool((weights * 10_000).sum().isfinite())
    assert bool((weights > 1e20).all())


# -- helpers ---------------------------------------------------------------------------------
@given(some(1, 3))
def test_groups_hold_every_judged_episode_once(episodes: list[Episode]) -> None:
    groups = by_problem(episodes)
    assert all({e.problem.id for e in group} == {name} for name, group in groups.items())
    assert sum(map(len, groups.values())) == len(judged(episodes))


@given(st.integers(0, 20), st.integers(1, 20))
def test_a_sample_is_drawn_without_replacement(count: int, most: int) -> None:
    traces = [consecutive(episode("x", [(str(i), 0.0), ("r", 1.0)]))[0] for i in range(count)]
    sample = sample_of(traces, most, np.random.default_rng(0))
    names = [trace.first.reply for trace in sample]
    assert len(set(names)) == len(names) == min(count, most)
