"""Gold and the gate: what they are shown, that reports say so, and their metrics."""

import gymnasium as gym
import pytest

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.reference.gold import Gold
from selfcorrect_agents.methods.reference.lookup import ShownProblems
from selfcorrect_agents.methods.reference.oracle_gated import OracleGated
from selfcorrect_env import (
    ProblemSet,
    Prompts,
    SelfCorrectEnv,
    SelfCorrectVectorEnv,
    evaluate,
    play,
)
from selfcorrect_env.errors import AgentError

PLAY = {"max_new_tokens": 6, "temperature": 1.0, "seed": 3}


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("SelfCorrect-Arithmetic-v0", {}),
        ("SelfCorrect-MATH-v0", {"problems": "procedural"}),
        ("SelfCorrect-Code-v0", {}),
    ],
)
def test_gold_is_right_twice(id: str, options: dict[str, str]) -> None:
    env = gym.make(id, **options)
    report = evaluate(Gold(), env, n=40)
    assert report.agent == "gold (oracle)"
    assert [a.value for a in report.metrics.accuracy] == [1.0, 1.0]
    assert report.metrics.unchanged_answers.value == 1.0


def test_gold_knows_problems_of_repair_by_their_three_messages() -> None:
    rows = [
        {"prompt": "6*7", "reference": "42", "first_attempt": "41"},
        {"prompt": "6*7", "reference": "42", "first_attempt": "43"},
        {"prompt": "2*2", "reference": "4"},
    ]
    env = SelfCorrectEnv(rows, attempts=1)
    assert [e.attempts[0].reply for e in play(Gold(), env)] == ["42", "42", "4"]


def test_gold_made_for_an_environment_and_in_a_form_of_its_own() -> None:
    env = SelfCorrectEnv([{"prompt": "2*2", "reference": "4"}])
    conversation, _ = env.reset()
    assert Gold(env).act([conversation]) == ["4"]
    assert Gold(env, write=lambda problem: f"is {problem.reference}").act([conversation]) == [
        "is 4"
    ]
    assert Gold(SelfCorrectVectorEnv.like(env, 2)).act([conversation]) == ["4"]


def test_what_an_oracle_cannot_know_is_said() -> None:
    env = SelfCorrectEnv([{"prompt": "2*2", "reference": "4"}])
    conversation, _ = env.reset()
    with pytest.raises(AgentError, match="call attach"):
        Gold().act([conversation])
    with pytest.raises(AgentError, match="no problem that is shown as '3'"):
        Gold(env).act([({"role": "user", "content": "3"},)])
    with pytest.raises(AgentError, match="CartPole"):
        Gold(gym.make("CartPole-v1").unwrapped)
    twins = [{"prompt": "x", "reference": "1"}, {"prompt": "x", "reference": "2"}]
    with pytest.raises(AgentError, match=r"Problems 0, 1 .* same messages"):
        ShownProblems(ProblemSet.from_records(twins), Prompts("p")).find(
            ({"role": "user", "content": "x"},)
        )


def test_the_gate_keeps_what_is_right_and_nothing_else(
    taught: Policy, sums: SelfCorrectEnv
) -> None:
    """The same model without the gate, same seed and batches: equal but for what was right."""
    base = play(LanguageModelAgent(taught, **PLAY), sums, batch_size=50)  # type: ignore[arg-type]
    gate = play(OracleGated(taught, **PLAY), sums, batch_size=50)  # type: ignore[arg-type]
    kept = 0
    for theirs, ours in zip(base, gate, strict=True):
        first, second = ours.attempts
        assert first == theirs.attempts[0]
        if first.verdict.correct:
            kept += second.reply != theirs.attempts[1].reply
            assert (second.reply, second.tokens) == (first.reply, 0)
        else:
            assert second == theirs.attempts[1]
    assert kept > 10, "the gate is never needed: nothing is tested"


def test_the_gates_metrics(taught: Policy, sums: SelfCorrectEnv) -> None:
    base = evaluate(LanguageModelAgent(taught, **PLAY), sums).metrics  # type: ignore[arg-type]
    report = evaluate(OracleGated(taught, **PLAY), sums, name="gate")  # type: ignore[arg-type]
    assert report.agent == "gate (oracle)"
    assert base.delta_c_to_i.value > 0
    assert report.metrics.delta_c_to_i.value == 0.0
    assert report.metrics.delta.value == report.metrics.delta_i_to_c.value
    assert report.metrics.delta_i_to_c.value == base.delta_i_to_c.value


def test_a_gate_without_a_verifier_is_refused(policy: Policy) -> None:
    env = SelfCorrectEnv([{"prompt": "2*2", "reference": "4"}])
    first, _ = env.reset()
    second = env.prompts.correct(first, "5")
    agent = OracleGated(policy, max_new_tokens=2)
    with pytest.raises(AgentError, match="call attach"):
        agent.act([second])
    with pytest.raises(AgentError, match="needs an environment with a `verifier`"):
        agent.attach(gym.make("CartPole-v1").unwrapped)
    assert agent.act([first])  # a first attempt needs no oracle
