"""LanguageModelAgent in a stored evaluation: other weights are another agent."""

from pathlib import Path
from typing import Any

import pytest
import torch

from selfcorrect_agents.flat_config import from_flat
from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_env import CheckpointError, SelfCorrectEnv, evaluate

SUMS = [{"prompt": f"{i} + 1", "reference": str(i + 1)} for i in range(3)]


def test_a_stored_run_of_other_weights_or_another_seed_is_refused(policy, tmp_path):
    def play(**options):
        agent = LanguageModelAgent(policy, max_new_tokens=2, **options)
        return evaluate(agent, SelfCorrectEnv(SUMS), out=tmp_path)

    play()
    assert play().reused == 3
    with pytest.raises(CheckpointError, match=r"LanguageModelAgent\.seed"):
        play(seed=1)
    with torch.no_grad():
        next(policy.model.parameters()).add_(0.01)
    with pytest.raises(CheckpointError, match="agent_fingerprint"):
        play()


def test_the_fingerprint_is_of_the_weights_whatever_their_type(policy):
    before = LanguageModelAgent(policy).fingerprint()
    assert LanguageModelAgent(policy).fingerprint() == before
    policy.model.to(torch.bfloat16)
    assert LanguageModelAgent(policy).fingerprint() != before


THOUGHTS_DROPPED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ m.content.split('=')[-1] }}<eos>"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
"""Of an earlier reply the template keeps what follows the last "=", as others drop thoughts."""


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3, 4, 5], [0, 5], [3], [1, 2, 4]])
def test_some_rows_of_a_batch_go_on_with_the_tokens_that_they_had(
    policy: Policy, chosen: list[int]
) -> None:
    """What is read at the second turn does not depend on which other rows there are."""
    policy.tokenizer.chat_template = THOUGHTS_DROPPED
    chat = Policy(policy.model, policy.tokenizer)
    asked = [({"role": "user", "content": f"{i}+2="},) for i in range(6)]

    def read(rows: list[int]) -> tuple[list[list[int]], list[str]]:
        agent = LanguageModelAgent(chat, max_new_tokens=6, temperature=1.0, seed=3)
        first = agent.act(asked)
        assert any("=" in reply for reply in first), "a template would change it"
        agent.temperature = 0.0
        told = [(*asked[i], {"role": "assistant", "content": first[i]}, asked[0][0]) for i in rows]
        second = agent.act(told)
        context = agent._context
        assert context is not None
        ids = [row[real].tolist() for row, real in zip(context.ids, context.mask, strict=True)]
        return ids, list(map(str, second))

    whole, part = read(list(range(6))), read(chosen)
    assert part == ([whole[0][i] for i in chosen], [whole[1][i] for i in chosen])


def test_other_conversations_are_read_from_their_text(policy: Policy) -> None:
    asked = [({"role": "user", "content": f"{i}+2="},) for i in range(3)]
    agent = LanguageModelAgent(policy, max_new_tokens=2)
    replies = agent.act(asked)
    assert agent._rows_of(asked) is None, "a conversation that begins anew continues none"
    told = [
        (*opening, {"role": "assistant", "content": reply}, opening[0])
        for opening, reply in zip(asked, replies, strict=True)
    ]
    assert agent._rows_of(told[1:]) == [1, 2]
    assert agent._rows_of([told[2], told[0]]) is None, "in another order"
    assert agent._rows_of([told[1], told[1]]) is None, "twice"
    assert len(agent.act([told[2], told[0]])) == 2


def test_top_p_is_used_and_named(policy: Policy, tmp_path: Path) -> None:
    """With the smallest nucleus every draw is the most likely token, at any temperature."""
    policy.save_pretrained(tmp_path)
    conversations = [({"role": "user", "content": f"{i}+2-3+4="},) for i in range(8)]

    def agent(**play: Any) -> LanguageModelAgent:
        config = {"model": str(tmp_path), "device": "cpu", "max_new_tokens": 4, **play}
        return LanguageModelAgent.from_config(from_flat(PlayConfig, config))

    greedy, nucleus = agent(), agent(temperature=1.0, top_p=1e-6)
    assert nucleus.act(conversations) == greedy.act(conversations)
    assert agent(temperature=1.0).act(conversations) != greedy.act(conversations)
    assert nucleus.decoding.startswith("T = 1, top-p = 1e-06, at most 4 tokens")
    assert "top-p" not in agent(temperature=1.0).decoding
    with pytest.raises(ValueError, match=r"top_p must be in \(0, 1\], got 0"):
        PlayConfig(top_p=0.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": -1.0}, "temperature must be 0 or above and finite, got -1"),
        ({"temperature": float("nan")}, "temperature must be 0 or above and finite, got nan"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1, got 0"),
    ],
)
def test_what_an_agent_cannot_play_with_is_refused(
    policy: Policy, given: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        LanguageModelAgent(policy, **given)
    agent = LanguageModelAgent(policy)
    with pytest.raises(ValueError, match=r"top_p must be in \(0, 1\], got 0"):
        agent.top_p = 0.0
    assert agent.top_p == 1.0
