"""The policy: sampling, tokens, saving."""

from pathlib import Path
from typing import cast

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, PreTrainedModel

from selfcorrect_agents.errors import LearningError
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import SelfCorrectEnv, play

ONE_STEP = {"problems_per_step": 4, "samples": 4, "max_new_tokens": 4, "learning_rate": 1e-6}


def test_greedy_is_what_generate_says(policy: Policy, env: SelfCorrectEnv) -> None:
    conversations = [env.prompts.first(env.problems[i]) for i in range(8)]
    turn = policy.start(conversations).sample(6, 0.0)
    for row, conversation in enumerate(conversations):
        ids = torch.tensor([policy.chat.prompt_ids(conversation)])
        expected = policy.model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :]
        assert turn.ids[row][turn.mask[row]].tolist() == expected.tolist()


def test_an_adapter_samples_through_the_cache(policy: Policy, env: SelfCorrectEnv) -> None:
    """A LoRA adapter that is new (its second factor is 0) says what its base model says."""
    conversations = [env.prompts.first(env.problems[i]) for i in range(8)]
    expected = policy.start(conversations).sample(6, 0.0)
    adapted = get_peft_model(policy.model, LoraConfig(target_modules=["q_proj", "v_proj"]))
    context = Policy(cast(PreTrainedModel, adapted), policy.tokenizer).start(conversations)
    assert context.sample(6, 0.0).ids.tolist() == expected.ids.tolist()


def test_saved_policies_load_elsewhere(policy: Policy, tmp_path: Path) -> None:
    policy.save_pretrained(tmp_path)
    ids = torch.tensor([[3, 4, 5]])
    expected = policy.model(ids).logits
    for model in (
        AutoModelForCausalLM.from_pretrained(tmp_path),
        Policy.from_pretrained(tmp_path).model,
    ):
        assert_close(model(ids).logits, expected)


def test_a_template_that_forgets_replies_is_refused(policy: Policy) -> None:
    policy.tokenizer.chat_template = "{{ messages[-1]['content'] }}"
    forgetful = Policy(policy.model, policy.tokenizer)
    with pytest.raises(ValueError, match="drops the assistant"):
        forgetful.chat.continuation_ids([{"role": "user", "content": "again"}])


def test_continuing_says_what_starting_anew_says(policy: Policy, env: SelfCorrectEnv) -> None:
    class Forgetful(LanguageModelAgent):
        def act(self, conversations):  # type: ignore[no-untyped-def]
            return LanguageModelAgent(self.policy, max_new_tokens=6).act(conversations)

    remembered = play(LanguageModelAgent(policy, max_new_tokens=6), env, indices=range(12))
    anew = play(Forgetful(policy), env, indices=range(12))
    replies = [[[str(a.reply) for a in e.attempts] for e in part] for part in (remembered, anew)]
    assert replies[0] == replies[1]


def test_the_same_seed_samples_the_same(policy: Policy, env: SelfCorrectEnv) -> None:
    def replies(seed: int) -> list[str]:
        agent = LanguageModelAgent(policy, max_new_tokens=6, temperature=1.0, seed=seed)
        return [str(e.attempts[1].reply) for e in play(agent, env, indices=range(12))]

    assert replies(1) == replies(1) != replies(2)


def test_an_agent_that_failed_in_the_middle_starts_anew(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    agent = LanguageModelAgent(policy, max_new_tokens=6)
    first = [env.prompts.first(env.problems[i]) for i in range(12)]
    replies = agent.act(first)
    second = [env.prompts.correct(c, r) for c, r in zip(first, replies, strict=True)]
    agent.max_new_tokens = "many"  # type: ignore[assignment]
    with pytest.raises(TypeError):
        agent.act(second)
    agent.max_new_tokens = 6
    assert agent.act(second) == LanguageModelAgent(policy, max_new_tokens=6).act(second)
    assert agent.act([]) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_that_are_trained_are_in_float32(
    policy: Policy, env: SelfCorrectEnv, dtype: torch.dtype
) -> None:
    """A policy that was loaded to play computes as before, and no step is lost to rounding."""
    rounded = Policy(policy.model.to(dtype), policy.tokenizer)
    before = {name: weight.detach().clone() for name, weight in rounded.trainable().items()}
    MultiTurnRL(rounded).learn(env, from_flat(MultiTurnRLConfig, {**ONE_STEP, "steps": 1}))
    weights = rounded.trainable()
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert rounded.dtype == (torch.bfloat16 if dtype == torch.bfloat16 else torch.float32)
    moved = [
        float((weights[name].detach() - old.float()).abs().max()) for name, old in before.items()
    ]
    assert 0 < max(moved) < 1e-5


def test_quantised_weights_are_not_trained_from_python(policy: Policy, env: SelfCorrectEnv) -> None:
    policy.model.config.quantization_config = {"quant_method": "bitsandbytes"}
    with pytest.raises(LearningError, match="is quantised, so its weights can't be trained"):
        MultiTurnRL(policy).learn(env)
