"""The reference agents that read answers give the known metrics on `SelfCorrect-ToyCode-v0`, too.

Each plays 200 problems five times at T = 1, as in `test_known_metrics`; the chances come from the
model's softmax over its first two tokens. A right pipeline fails here with a probability below
1e-4: 6 standard deviations, of which up to 1 goes to replies that start with no sum (1% of them).
"""

import functools
from collections.abc import Callable

import numpy as np
import pytest
from expected_metrics import KNOWN, Array, compare, sum_probabilities

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.always_flip import AlwaysFlip
from selfcorrect_agents.methods.reference.majority import Majority
from selfcorrect_env import Agent, SelfCorrectEnv, play
from selfcorrect_env.evaluation.metrics import measure

TIMES = 5
FARTHEST = 6.0

AGENTS: dict[str, Callable[[Policy], Agent]] = {
    "always_flip": lambda p: AlwaysFlip(p, max_new_tokens=2, temperature=1.0),
    "majority, k = 2": lambda p: Majority(p, max_new_tokens=2, temperature=1.0, k=2),
    "majority, k = 3": lambda p: Majority(p, max_new_tokens=2, temperature=1.0, k=3),
}


@pytest.fixture(scope="module")
def programs() -> SelfCorrectEnv:
    return SelfCorrectEnv("toycode", split="train", size=200)


@pytest.fixture(scope="module")
def adds(programmer: Policy, programs: SelfCorrectEnv) -> Callable[[], Array]:
    """The chance of each digit that is added, (200, 10)."""
    asked = [programs.prompts.first(problem) for problem in programs.problems]
    return functools.cache(lambda: sum_probabilities(programmer, asked))


def test_replies_are_sums(adds: Callable[[], Array]) -> None:
    """What the chances leave out is too little to be seen below."""
    assert 0.99 < adds().sum(1).mean() <= 1


@pytest.mark.parametrize("name", AGENTS)
def test_metrics_are_as_known(
    name: str, programmer: Policy, programs: SelfCorrectEnv, adds: Callable[[], Array]
) -> None:
    """By ``answers="auto"``. The vote counts +1 and -9 as one, as the chances do."""
    right = np.array([int(problem.reference[-1]) for problem in programs.problems])
    expected = KNOWN[name](np.tile(adds(), (TIMES, 1)), np.tile(right, TIMES))
    indices = list(range(len(programs.problems))) * TIMES
    metrics = measure(play(AGENTS[name](programmer), programs, indices=indices, batch_size=500))
    for line in compare(expected, metrics):
        assert abs(line.deviation) < FARTHEST, line
    if name == "always_flip":
        assert metrics.unchanged_answers.value == 0.0
        assert metrics.delta_c_to_i.value == metrics.accuracy[0].value > 0.05
