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
