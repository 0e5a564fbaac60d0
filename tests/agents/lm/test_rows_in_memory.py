"""How many conversations are played at once, and that no reply depends on it."""

import pytest

from selfcorrect_agents.lm import agent as agent_module
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.rows_in_memory import SHARE, rows_in_memory
from selfcorrect_agents.lm.shapes import ModelShape
from selfcorrect_env import Message


def test_rows_that_fit_are_counted(policy: Policy) -> None:
    row = 20 * ModelShape.of(policy.config).cache(4)
    assert rows_in_memory(policy, 10, 20, free=int(9 * row / SHARE) + 1) == 9
    assert rows_in_memory(policy, 10, 20, free=int(10 * row / SHARE) + 1) is None
    assert rows_in_memory(policy, 10, 20, free=0) == 1
    assert rows_in_memory(policy, 10, 20) is None, "on this machine"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_agent_plays_what_fits_and_says_the_same(
    policy: Policy, monkeypatch: pytest.MonkeyPatch, temperature: float
) -> None:
    asked = [(Message(role="user", content=f"{i}+{i}="),) for i in range(5)]

    def replies() -> list[str]:
        agent = LanguageModelAgent(policy, max_new_tokens=6, temperature=temperature, seed=4)
        first = agent.act(asked)
        again = [
            (*turn, Message(role="assistant", content=reply), Message(role="user", content="?"))
            for turn, reply in zip(asked, first, strict=True)
        ]
        return [*first, *agent.act(again)]

    expected = replies()
    wanted: list[tuple[int, int]] = []

    def two(policy: Policy, rows: int, tokens: int) -> int:
        wanted.append((rows, tokens))
        return 2

    monkeypatch.setattr(agent_module, "rows_in_memory", two)
    assert replies() == expected
    assert wanted == [(5, 2 * (len(policy.chat.prompt_ids(asked[0])) + 6))]
