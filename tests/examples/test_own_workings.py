"""The example that imitates corrections from a model's own workings."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest

from selfcorrect_agents import Policy
from selfcorrect_agents.lm.tiny import TinyConfig, build_model, build_tokenizer
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import Attempt, Reason, Reply, SelfCorrectEnv, Verdict, play


@pytest.fixture(scope="module")
def example(load_example: Callable[[str], ModuleType]) -> ModuleType:
    return load_example("own_workings")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Answer: 30\nWorking: 14 + 27 = 41, 41 - 9 = 32", True),
        ("Answer: 32\nWorking: 14 + 27 = 41\n41 - 9 = 32.", True),
        ("Answer: 30\nWorking: 14 + 27 = 41, 41 - 9 = 31", False),
        ("Answer: 32\nWorking: 14 + 27 = 41, 41 - 9 = 31", False),
        ("Answer: 30\nWorking: none", False),
        ("Answer: 30", False),
        ("It is 30.\nWorking: 41 - 9 = 32", False),
    ],
)
def test_a_right_working_corrects_its_answer(
    example: ModuleType, reply: str, expected: bool
) -> None:
    first = Attempt(reply=reply, verdict=Verdict(0.0, Reason.WRONG))
    second = example.corrected(first, "32")
    if expected:
        lines = reply.partition("\n")
        assert second.reply == f"Answer: 32\n{lines[2]}"
        assert second.verdict.correct
    else:
        assert second is None
    assert example.corrected(replace(first, truncated=True), "32") is None


def test_it_learns_from_what_was_played(example: ModuleType) -> None:
    env = SelfCorrectEnv("sums", split="train")
    reference = [env.problems[i].reference for i in range(4)]
    replies = [f"Answer: 0\nWorking: so it is {number}" for number in (*reference[:3], "no number")]

    class Player:
        def act(self, conversations):  # type: ignore[no-untyped-def]
            return [Reply(text) for text in replies]

    episodes = play(Player(), env, indices=range(4))
    traces = example.own_workings(episodes)
    assert [trace.second.reply for trace in traces] == [
        f"Answer: {number}\nWorking: so it is {number}" for number in reference[:3]
    ]
    assert [str(trace.first.reply) for trace in traces] == replies[:3]
    small = {"problems_per_step": 2, "samples": 2, "max_new_tokens": 4, "rollouts": 2}
    config = from_flat(example.OwnWorkingsConfig, small)
    tokenizer = build_tokenizer()
    policy = Policy(build_model(TinyConfig(), tokenizer), tokenizer)
    (_, row) = example.OwnWorkings(policy).learn(
        SelfCorrectEnv("arithmetic", split="train"), config
    )
    assert row["fit/available"] == 0
