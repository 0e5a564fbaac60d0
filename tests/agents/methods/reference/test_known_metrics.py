"""The pipeline of agents, environment, verifier and metrics gives the known values.

Each agent plays 200 problems five times at T = 1; the chances come from the model's softmax. Over
all values here a right pipeline fails with a probability below 1e-4: 5 standard deviations, of
which up to 0.3 go to first tokens that are no digit (0.3% of them).
"""

import functools
from collections.abc import Callable

import numpy as np
import pytest
from expected_metrics import (
    KNOWN,
    Chances,
    compare,
    digit_probabilities,
)

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.always_flip import AlwaysFlip
from selfcorrect_agents.methods.reference.copy_resample import Copy, Resample
from selfcorrect_agents.methods.reference.majority import Majority
from selfcorrect_agents.methods.reference.null import Null
from selfcorrect_env import Agent, Reason, SelfCorrectEnv, evaluate, play
from selfcorrect_env.evaluation.metrics import Metrics, measure

Play = Callable[[str], Metrics]
TIMES = 5
FARTHEST = 5.0

AGENTS: dict[str, Callable[[Policy], Agent]] = {
    "copy": lambda p: Copy(p, max_new_tokens=6, temperature=1.0),
    "resample": lambda p: Resample(p, max_new_tokens=6, temperature=1.0),
    "always_flip": lambda p: AlwaysFlip(p, max_new_tokens=6, temperature=1.0),
    "majority, k = 2": lambda p: Majority(p, max_new_tokens=6, temperature=1.0, k=2),
    "majority, k = 3": lambda p: Majority(p, max_new_tokens=6, temperature=1.0, k=3),
}


@pytest.fixture(scope="module")
def played(taught: Policy, sums: SelfCorrectEnv) -> Callable[[str], Metrics]:
    @functools.cache
    def play_once(name: str) -> Metrics:
        indices = list(range(len(sums.problems))) * TIMES
        return measure(play(AGENTS[name](taught), sums, indices=indices, batch_size=500))

    return play_once


def chances(name: str, policy: Policy, env: SelfCorrectEnv) -> Chances:
    p = digit_probabilities(policy, [env.prompts.first(problem) for problem in env.problems])
    right = np.array([int(problem.reference) for problem in env.problems])
    return KNOWN[name](np.tile(p, (TIMES, 1)), np.tile(right, TIMES))


@pytest.mark.parametrize("name", AGENTS)
def test_metrics_are_as_known(
    name: str, taught: Policy, sums: SelfCorrectEnv, played: Play
) -> None:
    metrics = played(name)
    for line in compare(chances(name, taught, sums), metrics):
        assert abs(line.deviation) < FARTHEST, line


def test_another_agent_is_told_apart(taught: Policy, sums: SelfCorrectEnv, played: Play) -> None:
    """What the test above would say if an agent, or the metrics, did something else."""
    metrics = played("resample")
    for name in ("copy", "always_flip", "majority, k = 3"):
        lines = compare(chances(name, taught, sums), metrics)
        assert max(abs(line.deviation) for line in lines) > 2 * FARTHEST


def test_resampling_is_counted_by_problem_and_not_of_the_mean(
    taught: Policy, sums: SelfCorrectEnv, played: Play
) -> None:
    """Mean p (1 - p) is .10 here and P (1 - P) is .19: 9 standard deviations apart."""
    known, metrics = chances("resample", taught, sums), played("resample")
    naive = known.right.mean() * (1 - known.right.mean())
    assert abs(metrics.delta_i_to_c.value - known.fixed.mean()) < 0.045
    assert naive - metrics.delta_i_to_c.value > 0.045


def test_a_copy_is_exact_and_costs_nothing(taught: Policy, sums: SelfCorrectEnv) -> None:
    for episode in play(AGENTS["copy"](taught), sums):
        first, second = episode.attempts
        assert second.reply == first.reply
        assert (second.tokens, second.truncated) == (0, None)
        assert first.tokens


def test_a_changed_answer_is_never_the_first(played: Play) -> None:
    metrics = played("always_flip")
    assert metrics.unchanged_answers.value == 0.0
    assert metrics.delta_c_to_i.value == metrics.accuracy[0].value > 0.1


def test_a_vote_of_two_outvotes_no_answer(taught: Policy, sums: SelfCorrectEnv) -> None:
    indices = list(range(len(sums.problems))) * 5
    for episode in play(AGENTS["majority, k = 2"](taught), sums, indices=indices, batch_size=500):
        first, last = (attempt.verdict.answer for attempt in episode.attempts)
        assert last == first or first is None


def test_null_scores_nothing() -> None:
    report = evaluate(Null(), "SelfCorrect-Arithmetic-v0", n=50)
    assert report.agent == "null"
    assert [a.value for a in report.metrics.accuracy] == [0.0, 0.0]
    assert all(turn.reasons == {Reason.NO_ANSWER.value: 50} for turn in report.metrics.turns)
    assert report.metrics.unchanged_answers.value == 1.0


def test_resample_never_sees_its_first_reply(taught: Policy, sums: SelfCorrectEnv) -> None:
    """At T = 0 it therefore says the same again, whatever the instruction is."""
    metrics = measure(play(Resample(taught, max_new_tokens=6), sums))
    assert metrics.unchanged_texts == 1.0
