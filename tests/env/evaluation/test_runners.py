"""How evaluation steps environments of every kind: in batches, one by one, or not at all."""

import gymnasium as gym
import pytest
from evaluated_sums import (
    ENVIRONMENTS,
    IDS,
    SUMS,
    Hinted,
    Lottery,
    Recorder,
    second_thoughts,
    sums_env,
)
from gymnasium.vector import AutoresetMode

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import UnsupportedEnvError
from selfcorrect_env.evaluation.evaluator import evaluate, play
from selfcorrect_env.evaluation.runners import BatchRunner, SingleRunner, runner_for
from selfcorrect_env.types import Transition
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.wrappers import ProgressBonus


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_every_problem_once_in_order(kind, batch_size):
    episodes = play(second_thoughts, ENVIRONMENTS[kind](), batch_size=batch_size)
    assert [e.problem.id for e in episodes] == IDS
    assert {e.transition for e in episodes} == {Transition.INCORRECT_TO_CORRECT}
    for e in episodes:
        assert [m["role"] for m in e.conversation] == ["user", "assistant", "user", "assistant"]
        assert [a.reply for a in e.attempts] == ["no idea", e.problem.reference]


def test_all_ways_of_stepping_give_the_same_episodes():
    expected = play(second_thoughts, sums_env())
    for make in ENVIRONMENTS.values():
        assert play(second_thoughts, make()) == expected


def test_batches_are_used_wherever_they_change_nothing():
    kinds = {kind: type(runner_for(make())) for kind, make in ENVIRONMENTS.items()}
    single = {kind for kind, runner in kinds.items() if runner is SingleRunner}
    assert single == {"foreign", "observing"}
    agent = Recorder()
    play(agent, sums_env(), batch_size=5)
    assert [len(batch) for batch in agent.shown] == [5, 5, 2, 2]


def test_a_wrapper_that_changes_what_the_agent_sees_is_kept():
    def with_hint(conversation):
        return ({"role": "system", "content": "hint"}, *conversation)

    agent = Recorder()
    agent.act = lambda cs: agent.shown.append(cs) or ["y"] * len(cs)
    play(agent, gym.wrappers.TransformObservation(sums_env(), with_hint, None), indices=[0])
    assert [batch[0][0]["content"] for batch in agent.shown] == ["hint", "hint"]


class OwnVector(Hinted):
    """Vectorises itself."""

    def vectorised(self, num_envs, *, autoreset_mode=AutoresetMode.DISABLED):
        return super().vectorised(num_envs, autoreset_mode=autoreset_mode)


class RandomOwn(SelfCorrectEnv):
    """A subclass that draws at random and is played in a batch."""

    def reset(self, *, seed=None, options=None):
        conversation, info = super().reset(seed=seed, options=options)
        number = str(self.np_random.integers(10**9))
        return ({"role": "system", "content": number}, *conversation), info

    def vectorised(self, num_envs, *, autoreset_mode=AutoresetMode.DISABLED):
        return super().vectorised(num_envs, autoreset_mode=autoreset_mode)


HINTED = {
    "bare": lambda: Hinted(SUMS),
    "wrapped": lambda: gym.wrappers.RecordEpisodeStatistics(Hinted(SUMS)),
    "bonus": lambda: ProgressBonus(Hinted(SUMS)),
    "made": lambda: gym.make("HintedSums-v0"),
    "id": lambda: "HintedSums-v0",
    "limited": lambda: gym.make("HintedSums-v0", max_episode_steps=2),
    "own vector": lambda: OwnVector(SUMS),
}


@pytest.fixture
def hinted_id():
    gym.register("HintedSums-v0", entry_point=Hinted, kwargs={"problems": SUMS})
    yield
    del gym.registry["HintedSums-v0"]


@pytest.mark.usefixtures("hinted_id")
@pytest.mark.parametrize("kind", HINTED)
def test_a_subclass_is_measured_by_its_own_reset_and_step(kind):
    shown = []

    def act(conversation):
        shown.append(conversation[0]["content"])
        return "no idea" if len(conversation) == 2 else "2"

    report = evaluate(act, HINTED[kind]())
    assert set(shown) == {"hint"}
    assert [e.problem.id for e in report.episodes] == IDS
    assert report.metrics.accuracy[-1].value == 0.0
    assert {a.reply for e in report.episodes for a in e.attempts} == {"no idea", "never"}


def test_a_subclass_that_vectorises_itself_is_played_in_batches():
    agent = Recorder()
    agent.act = lambda cs: agent.shown.append(cs) or ["y"] * len(cs)
    play(agent, OwnVector(SUMS))
    assert [len(batch) for batch in agent.shown] == [7, 7]


def test_environments_that_evaluation_cannot_run_are_named():
    class Rows(SelfCorrectVectorEnv):
        def reset(self, **arguments):
            return super().reset(**arguments)

    with pytest.raises(UnsupportedEnvError, match="Rows replaces methods"):
        play(second_thoughts, Rows(2, SUMS))
    wrapped = gym.wrappers.vector.TransformObservation(
        SelfCorrectVectorEnv(2, SUMS, autoreset_mode="NextStep"), list
    )
    with pytest.raises(UnsupportedEnvError, match="TransformObservation may change"):
        play(second_thoughts, wrapped)


@pytest.mark.parametrize("kind", [lambda: Lottery(sums_env()), lambda: RandomOwn(SUMS)])
def test_what_an_environment_draws_at_random_repeats_and_differs_between_problems(kind):
    def numbers(indices=None):
        shown = {}

        def act(conversation):
            if len(conversation) == 2:
                shown[conversation[1]["content"]] = conversation[0]["content"]
            return "y"

        play(act, kind(), indices=indices)
        return shown

    assert numbers() == numbers()
    assert len(set(numbers().values())) == 7
    assert numbers([3]).items() <= numbers().items()


def test_the_runners_leave_the_callers_environment_alone():
    env = sums_env()
    before = env.reset(options={"index": 2})
    play(second_thoughts, env)
    observation, *_ = env.step("no idea")
    assert observation[: len(before[0])] == before[0]
    assert isinstance(runner_for(env), BatchRunner)
