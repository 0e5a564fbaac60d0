"""LanguageModelAgent in a stored evaluation: other weights are another agent."""

import pytest
import torch

from selfcorrect_agents.lm.agent import LanguageModelAgent
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
