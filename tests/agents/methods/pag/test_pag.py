"""PAG: answering, verifying and revising selectively."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.pag import PAG, PAGConfig
from selfcorrect_agents.methods.pag.pag import with_bonus
from selfcorrect_agents.methods.pag.verification import Verification, VerifiedEnv
from selfcorrect_agents.rl.loss import Batch, turn_advantages
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.training.config import from_flat
from selfcorrect_env import CheckpointError, Reply, SelfCorrectEnv, evaluate

DIGITS = Verification(verify="+", revise="*", right="1", wrong="0")
"""What a tiny model can read and write."""
SHORT = {"problems_per_step": 16, "max_new_tokens": 2}


def digit_seven(problem: object, response: str) -> bool:
    return response.startswith("7")


# -- the objective ------------------------------------------------------------------------------
def test_the_rewards_by_hand() -> None:
    """r(y₁), whether the judgement is right, and r(y₂) with the bonus for progress."""
    scores = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
    assert with_bonus(scores, 1.0).tolist() == [[0, 1, 2], [1, 0, -1], [1, 1, 1], [0, 1, 0]]
    assert with_bonus(scores, 0.0).tolist() == scores.tolist()


def rollout_with(scores: list[list[float]], taken: list[list[int]]) -> Rollout:
    """Episodes of one token a turn, with these scores, in turns that were taken."""
    rows, mask = len(scores), torch.tensor(taken, dtype=torch.bool)
    return Rollout(
        ids=torch.zeros(rows, 4, dtype=torch.long),
        attention_mask=torch.ones(rows, 4, dtype=torch.bool),
        columns=torch.tensor([1, 2, 3]),
        sampled=torch.zeros(rows, 3, dtype=torch.long),
        turn=torch.tensor([0, 1, 2]),
        mask=mask,
        logps=torch.zeros(rows, 3),
        scores=torch.tensor(scores),
        judged=torch.ones(rows, dtype=torch.bool),
        samples=rows,
        temperature=1.0,
        episodes=(),
    )


def test_the_advantages_by_hand() -> None:
    """One problem, four episodes; the last two take no third turn.

    Less the mean of the others, turn by turn (the third over its two): answers 4/3, 0, 0 … as
    below; then each role is brought to mean 0 and variance 1.
    """
    scores = [[0.0, 1.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    rollout = rollout_with(scores, [[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 0]])
    rewards = with_bonus(rollout.scores, 1.0)
    config = PAGConfig()
    plain = Batch(rollout=rollout, rewards=rewards, betas=[0.0] * 3)
    third = 1 / 3
    expected = torch.tensor(
        [
            [-2 * third, third, 2.0],
            [-2 * third, third, -2.0],
            [2 * third, third, 0.0],
            [2 * third, -1.0, 0.0],
        ]
    )
    assert_close(turn_advantages(plain, config.objective), expected)
    roles = Batch(rollout=rollout, rewards=rewards, betas=[0.0] * 3, roles=[0, 1, 0])
    found = turn_advantages(roles, config.objective)
    answers = torch.tensor([-2 * third, -2 * third, 2 * third, 2 * third, 2.0, -2.0])
    # the squares add up to 4 · 4/9 + 2 · 4 = 88/9, and n − 1 = 5
    assert_close(answers.var(), torch.tensor(88 / 45))
    assert_close(found[:, 0], expected[:, 0] / (88 / 45) ** 0.5)
    assert_close(found[:, 2], expected[:, 2] / (88 / 45) ** 0.5)
    # verifications: squares 3 · 1/9 + 1 = 4/3, n − 1 = 3
    assert_close(found[:, 1], expected[:, 1] / (4 / 9) ** 0.5)


# -- learning -----------------------------------------------------------------------------------
def test_identity(policy: Policy) -> None:
    """The answer learns to say 7, and the verification that this is right; by chance 1 of 20
    tokens is either. Seeded; a policy that did not learn passes 60% of 128 episodes with
    probability below 1e-60."""
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    config = from_flat(PAGConfig, {"steps": 40, "learning_rate": 1e-2, "beta_1": 0.0, **SHORT})
    history = PAG(policy, verification=DIGITS).learn(env, config)
    assert all(history[0][f"t{t}/accuracy"] < 0.3 for t in (1, 2))
    assert all(history[-1][f"t{t}/accuracy"] > 0.6 for t in (1, 2, 3))


def test_only_revisions_have_tokens_in_the_third_turn(policy: Policy) -> None:
    env = SelfCorrectEnv("arithmetic", split="train", size=99, verifier=digit_seven)
    rollout = collect(
        policy,
        VerifiedEnv(env, DIGITS).vectorised(256),
        list(range(32)),
        samples=8,
        max_new_tokens=2,
        generator=torch.Generator().manual_seed(0),
    )
    asked = [DIGITS.judgement(str(e.attempts[1].reply)) is False for e in rollout.episodes]
    assert 0 < sum(asked) < 256
    assert rollout.taken[:, :2].all()
    assert rollout.taken[:, 2].tolist() == asked
    assert (rollout.logps[~torch.tensor(asked)][:, rollout.turn == 2] == 0).all()
    ends = rollout.columns[rollout.turn == 1].max() + 1
    after = rollout.attention_mask[:, ends:].any(dim=1)
    assert after.tolist() == asked, "no request and no revision is read in the other episodes"


def test_training_problems_that_are_held_out_are_played_as_it_plays(
    policy: Policy, env: SelfCorrectEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verification that says nothing is followed by a revision there, and not in training."""
    played: list[Rollout] = []

    def recorded(*args: Any, **options: Any) -> Rollout:
        played.append(collect(*args, **options))
        return played[-1]

    monkeypatch.setattr("selfcorrect_agents.training.held_out.collect", recorded)
    silent = Verification(verify="+", revise="*", right="never", wrong="said")
    evaluated = {"eval_every": 1, "eval_split": "train", "eval_problems": 8}
    config = from_flat(PAGConfig, {**SHORT, **evaluated, "samples": 4, "steps": 1})
    agent = PAG(policy, verification=silent)
    (row,) = agent.learn(env, config)
    assert played
    assert all(bool(rollout.taken.all()) for rollout in played), "every answer is revised"
    assert "eval/t3/accuracy" in row


def test_a_run_is_resumed_with_the_same_requests(
    policy: Policy, env: SelfCorrectEnv, tmp_path: Path
) -> None:
    config = from_flat(PAGConfig, {**SHORT, "samples": 4, "steps": 1})
    before = copy.deepcopy(policy)
    PAG(policy, verification=DIGITS).learn(env, config, run=tmp_path)
    other = replace(DIGITS, revise="/")
    with pytest.raises(CheckpointError, match="verification was"):
        PAG(before, verification=other).learn(env, config, run=tmp_path)
    PAG(before, verification=DIGITS).learn(env, config, run=tmp_path)


# -- playing ------------------------------------------------------------------------------------
def test_an_answer_is_revised_only_if_it_is_found_wrong(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three problems: found right, found wrong, and a verification that does not say."""
    verifications = {"1": "The answer is correct.", "2": "The answer is wrong.", "3": "Well."}
    read: list[Any] = []

    def says(self: Any, conversations: Any) -> list[Reply]:
        read.extend(conversations)
        replies = []
        for conversation in conversations:
            last, answer = conversation[-1]["content"], conversation[0]["content"]
            text = {Verification.verify: verifications[answer], Verification.revise: "new"}
            replies.append(Reply(text.get(last, answer), tokens=5, truncated=False))
        return replies

    monkeypatch.setattr("selfcorrect_agents.lm.agent.LanguageModelAgent.act", says)
    problems = [{"prompt": digit, "reference": "new"} for digit in "123"]
    agent = PAG(policy)
    env = SelfCorrectEnv(problems, verifier="exact")
    report = evaluate(agent, env)
    assert report.metrics.accuracy[1].value == pytest.approx(2 / 3)
    conversations = [(*env.prompts.correct(({"role": "user", "content": d},), d),) for d in "123"]
    final = agent.act(conversations)
    assert [str(reply) for reply in final] == ["1", "new", "new"]
    assert [reply.tokens for reply in final] == [5, 10, 10]
    # nothing that was read names the reference or a verdict
    assert all(m["content"] != "new" for c in read for m in c if m["role"] == "user")


def test_a_revision_does_not_depend_on_the_batch(policy: Policy) -> None:
    """In a batch some answers are revised; alone, a conversation is the whole batch.

    The template drops digits of earlier replies, as some drop thoughts: the ids of a verification
    go on all the same.
    """
    policy.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ m.content.replace('6', '').replace('1', '') }}<eos>"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    chat = Policy(policy.model, policy.tokenizer)
    conversations = [
        (
            {"role": "user", "content": f"{i}+{i + 7}="},
            {"role": "assistant", "content": f"{i * i}"},
            {"role": "user", "content": "-"},
        )
        for i in range(40)
    ]
    texts = Verification(verify="*", revise="-", right="666", wrong="0")

    def final(conversations: Any) -> list[str]:
        agent = PAG(chat, max_new_tokens=3, verification=texts)
        return [f"{reply} ({reply.tokens})" for reply in agent.act(conversations)]

    whole = final(conversations)
    assert 0 < sum(reply.endswith("(3)") for reply in whole) < 40, "some are revised"
    assert whole == [final([conversation])[0] for conversation in conversations]


def test_a_trained_agent_is_measured_in_an_environment_of_two_attempts(policy: Policy) -> None:
    agent = PAG(policy, max_new_tokens=3, verification=DIGITS)
    metrics = evaluate(agent, "SelfCorrect-Arithmetic-v0", n=4).metrics
    assert (metrics.episodes, len(metrics.accuracy)) == (4, 2)
    assert "verify then revise" in PAG(policy).decoding


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("beta_1", -1.0), ("bonus", -0.5)])
def test_a_configuration_that_cannot_be_meant_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        from_flat(PAGConfig, {field: value})
