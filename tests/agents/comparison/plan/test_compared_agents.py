"""Agents of a comparison: settings that fit, budgets that are kept, mistakes that are named."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pytest
from typing_extensions import Self

from selfcorrect_agents.comparison.plan.compared_agents import (
    ComparedAgent,
    budget_note,
    play_settings,
)
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import Conversation
from selfcorrect_env.errors import AgentError, UnknownNameError
from selfcorrect_env.evaluation.agent_factory import summary


@dataclass(frozen=True, kw_only=True)
class Learning:
    """A configuration that can be kept to a budget, in steps of four episodes."""

    steps: int = 10
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"
    layers: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}.")

    @property
    def episodes(self) -> int:
        return 4 * self.steps

    def within(self, episodes: int) -> Self:
        return replace(self, steps=episodes // 4)


class Budgeted(LanguageModelAgent):
    """Keeps to its budget.

    And says more about itself.
    """

    Learning: ClassVar[type] = Learning

    def learn(self, env, config=None, *, run=None, progress=False):
        return []


class Free(Budgeted):
    """Trains for as long as it likes."""

    @dataclass(frozen=True)
    class Learning:
        seed: int = 0


class Seedless(Budgeted):
    @dataclass(frozen=True)
    class Learning:
        steps: int = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    temperature: float = 0.3
    word: str = "7"


class Player:
    """Answers a word."""

    Config = Settings
    oracle: ClassVar[bool] = True

    def __init__(self, config: Settings) -> None:
        self.config = config

    @classmethod
    def from_config(cls, config: Settings) -> "Player":
        return cls(config)

    def act(self, conversations: Sequence[Conversation]) -> list[str]:
        return [self.config.word for _ in conversations]


def method(agent: type, **settings: dict[str, object]) -> MethodConfig:
    return MethodConfig(label="it", agent=f"{agent.__module__}:{agent.__name__}", **settings)


def compared_agent(agent: type, **settings: dict[str, object]) -> ComparedAgent:
    return ComparedAgent(method(agent, **settings), agent)


def test_a_budget_is_applied_where_it_can_be() -> None:
    learning = compared_agent(Budgeted, learning={"rate": 1}).learning(5, 16, 64, preset="tiny")
    assert learning == Learning(steps=16, rate=1.0, seed=5)
    assert compared_agent(Budgeted).learning(5, 16, None, preset="tiny").steps == 10
    assert compared_agent(Free).learning(5, 16, 64, preset="tiny") == Free.Learning(seed=5)


def test_a_budget_that_was_not_kept_is_told() -> None:
    config = CompareConfig(methods=(method(Budgeted),), episodes=64)
    assert budget_note(compared_agent(Budgeted), config) is None
    assert budget_note(compared_agent(Player), config) is None
    odd = replace(config, episodes=66)
    assert "64 episodes, because its steps do not divide the budget of 66" in str(
        budget_note(compared_agent(Budgeted), odd)
    )
    assert "the budget was not applied" in str(budget_note(compared_agent(Free), config))
    assert budget_note(compared_agent(Free), replace(config, episodes=None)) is None
    own = budget_note(compared_agent(Budgeted, episodes=128), config)
    assert str(own).endswith("128 episodes, a budget of its own.")


@pytest.mark.parametrize(
    ("learning", "expected"),
    [
        ({"stepz": 1}, "[methods.'it'] learning: Unknown key 'stepz'. Did you mean 'steps'?"),
        ({"steps": "1"}, "steps must be a whole number, got '1'"),
        ({"steps": 1.0}, "steps must be a whole number, got 1.0"),
        ({"rate": True}, "rate must be a number, got True"),
        ({"kind": "c"}, "kind must be one of 'a', 'b', got 'c'"),
        ({"layers": 3}, "layers must be a list, got 3"),
        ({"layers": ["x"]}, "layers must be a whole number, got 'x'"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"seed": 3}, "the seed is set by the comparison"),
    ],
)
def test_learning_that_does_not_fit(learning: dict[str, object], expected: str) -> None:
    with pytest.raises(ComparisonError) as caught:
        compared_agent(Budgeted, learning=learning).learning(0, 16, None, preset="tiny")
    assert expected in str(caught.value)


def test_a_budget_too_small_for_a_step_is_refused() -> None:
    with pytest.raises(ComparisonError, match="within 3 episodes: steps must be at least 1"):
        compared_agent(Budgeted).learning(0, 16, 3, preset="tiny")


def test_a_method_without_a_seed_is_refused() -> None:
    with pytest.raises(ComparisonError, match="no field 'seed'"):
        compared_agent(Seedless).learning(0, 16, None, preset="tiny")


def test_the_token_cap_is_the_comparisons_unless_the_method_has_its_own() -> None:
    own = MethodConfig(label="it", agent="score")
    for preset in ("tiny", "one-gpu"):
        learning = ComparedAgent.find(own).learning(0, 99, None, preset=preset)
        assert learning.sampling.max_new_tokens == 99
    own = replace(own, learning={"max_new_tokens": 7})
    learning = ComparedAgent.find(own).learning(0, 99, None, preset="one-gpu")
    assert learning.sampling.max_new_tokens == 7


SHARED = {
    "model": {"model": "m", "device": "cpu"},
    "max_new_tokens": 3,
    "temperature": 0.0,
    "seed": 1,
}


def test_an_agent_gets_what_its_config_has_a_field_for(monkeypatch: pytest.MonkeyPatch) -> None:
    playing = compared_agent(Player, play={"word": "3"})
    found = {playing.method.agent: Player}
    monkeypatch.setattr("selfcorrect_env.evaluation.agent_factory.load_named", found.__getitem__)
    agent = playing.untrained(play_settings(playing.method, **SHARED))
    assert isinstance(agent, Player)
    assert agent.config == Settings(temperature=0.0, word="3")
    assert playing.oracle
    assert not compared_agent(Budgeted).oracle


def test_a_policys_agent_is_told_how_to_play(policy: Policy) -> None:
    learner = compared_agent(Budgeted, play={"max_new_tokens": 9})
    agent = learner.of_policy(policy, play_settings(learner.method, **SHARED))
    assert (agent.max_new_tokens, agent.temperature) == (9, 0.0)
    wrong = compared_agent(Budgeted, play={"beams": 4})
    with pytest.raises(ComparisonError, match="beams"):
        wrong.of_policy(policy, play_settings(wrong.method, **SHARED))


def test_a_policys_agent_draws_from_a_nucleus(policy: Policy) -> None:
    learner = compared_agent(Budgeted, play={"top_p": 0.9})
    learner.check_play(play_settings(learner.method, **SHARED))
    assert learner.of_policy(policy, play_settings(learner.method, **SHARED)).top_p == 0.9


@pytest.mark.parametrize(
    ("play", "message"),
    [
        ({"beams": 4}, "play: Unknown key 'beams'"),
        ({"topp": 0.9}, "Did you mean 'top_p'"),
        ({"top_p": 1.5}, "top_p must"),
        ({"max_new_tokens": "9"}, "max_new_tokens"),
    ],
)
def test_how_a_trained_agent_plays_is_checked_before_anything_runs(play, message) -> None:
    wrong = compared_agent(Budgeted, play=play)
    with pytest.raises(ComparisonError, match=message):
        wrong.check_play(play_settings(wrong.method, **SHARED))


def test_an_argument_without_a_field_may_be_given() -> None:
    class Beams(Budgeted):
        def __init__(self, policy, *, beams=1, **more):
            super().__init__(policy, **more)

    agent = compared_agent(Beams, play={"beams": 4})
    agent.check_play(play_settings(agent.method, **SHARED))


def test_mistakes_are_found_when_it_is_found() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'score'"):
        ComparedAgent.find(MethodConfig(label="it", agent="scor"))
    with pytest.raises(AgentError, match="cannot be imported"):
        ComparedAgent.find(MethodConfig(label="it", agent="nowhere:Agent"))
    with pytest.raises(ComparisonError, match="does not learn; remove it"):
        ComparedAgent.find(MethodConfig(label="it", agent="base", learning={"steps": 1}))
    with pytest.raises(ComparisonError, match="episodes: agent 'base' does not learn; remove it"):
        ComparedAgent.find(MethodConfig(label="it", agent="base", episodes=100))
    with pytest.raises(ComparisonError, match="Unknown key 'temprature'"):
        ComparedAgent.find(MethodConfig(label="it", agent="base", play={"temprature": 1}))


def test_a_summary_is_ours_or_the_first_line_of_the_docstring() -> None:
    assert ComparedAgent.find(MethodConfig(label="x", agent="score")).summary == summary("score")
    assert compared_agent(Budgeted).summary == "Keeps to its budget."
    assert ComparedAgent(method(Player), Player(Settings())).summary == "Answers a word."


@pytest.mark.parametrize(
    ("agent", "expected"),
    [("score", True), ("base", True), ("copy", True), ("null", False), ("openai", False)],
)
def test_who_loads_the_base_model(agent: str, expected: bool) -> None:
    play = {"model": "m"} if agent == "openai" else {}
    found = ComparedAgent.find(MethodConfig(label="it", agent=agent, play=play))
    assert found.loads_base is expected
