"""What was sampled is what is scored: ids, log-probabilities and credit."""

import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch.testing import assert_close

from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl.rollout import Rollout, collect, rollout_metrics
from selfcorrect_agents.rl.scoring import score
from selfcorrect_env import SelfCorrectEnv, SelfCorrectVectorEnv


def roll(policy: Policy, env: SelfCorrectEnv, cap: int = 12, temperature: float = 1.0) -> Rollout:
    venv = SelfCorrectVectorEnv.like(env, 12, autoreset_mode=AutoresetMode.DISABLED)
    return collect(
        policy,
        venv,
        [0, 1, 2],
        samples=4,
        max_new_tokens=cap,
        temperature=temperature,
        generator=torch.Generator().manual_seed(0),
    )


def ragged() -> SelfCorrectEnv:
    prompts = ["1+1=", "3+4*2-1=", "5*5*5="]
    return SelfCorrectEnv(
        [{"prompt": p, "reference": "2"} for p in prompts],
        verifier="first-digit",
        prompts="arithmetic",
    )


def test_a_full_forward_gives_the_behaviour_log_probabilities(policy: Policy) -> None:
    rollout = roll(policy, ragged())
    assert rollout.mask.sum(1).unique().numel() > 1, "replies of one length test no padding"
    scores = score(policy, policy, rollout)
    sampled = rollout.mask
    assert_close(scores.logps.detach()[sampled], rollout.logps[sampled], atol=1e-4, rtol=1e-4)
    assert_close(scores.kl.detach()[sampled], torch.zeros(rollout.tokens), atol=1e-5, rtol=0)
    assert rollout.logps[~sampled].abs().sum() == 0


def test_the_temperature_belongs_to_the_policy(policy: Policy) -> None:
    rollout = roll(policy, ragged(), temperature=0.5)
    scores = score(policy, policy, rollout)
    sampled = rollout.mask
    assert_close(scores.logps.detach()[sampled], rollout.logps[sampled], atol=1e-4, rtol=1e-4)


def test_rows_hold_prompt_reply_instruction_reply_and_nothing_else(policy: Policy) -> None:
    env = ragged()
    rollout = roll(policy, env)
    eos = policy.tokenizer.eos_token_id
    instruction = policy.tokenizer.convert_tokens_to_ids(env.prompts.correction)
    for row, episode in enumerate(rollout.episodes):
        ids = rollout.ids[row][rollout.attention_mask[row]].tolist()
        sampled = [
            rollout.ids[row, rollout.columns[(rollout.turn == t) & rollout.mask[row]]].tolist()
            for t in (0, 1)
        ]
        end = [] if sampled[0][-1] == eos else [eos]
        prompt = policy.chat.prompt_ids(episode.conversation[:1])
        assert ids == [*prompt, *sampled[0], *end, instruction, *sampled[1]]
        assert episode.attempts[0].tokens == len(sampled[0])
        assert episode.attempts[0].truncated == (sampled[0][-1] != eos)


def test_the_second_reward_does_not_reach_the_first_turn(policy: Policy) -> None:
    rollout = roll(policy, ragged())
    columns = rollout.columns
    logits = policy.logits(rollout.ids, rollout.attention_mask, columns).detach().requires_grad_()
    logps = rollout.turn_sum(
        logits.log_softmax(-1).gather(-1, rollout.ids[:, columns, None])[..., 0]
    )
    (gradient,) = torch.autograd.grad(logps[:, 1].sum(), logits)
    assert gradient[:, rollout.turn == 0].abs().sum() == 0
    assert gradient[~rollout.mask].abs().sum() == 0
    assert gradient[:, rollout.turn == 1].abs().sum() > 0


def test_groups_belong_to_one_problem(policy: Policy, env: SelfCorrectEnv) -> None:
    ids = [episode.problem.id for episode in roll(policy, env).episodes]
    assert ids == [env.problems[i].id for i in (0, 1, 2) for _ in range(4)]


def test_the_episodes_of_some_problems_alone(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    part = rollout.of_problems([2, 0])
    rows = [8, 9, 10, 11, 0, 1, 2, 3]
    assert part.episodes == tuple(rollout.episodes[row] for row in rows)
    for name in ("ids", "attention_mask", "mask", "logps", "scores", "judged"):
        assert torch.equal(getattr(part, name), getattr(rollout, name)[rows]), name
    assert (part.samples, part.turns) == (4, 2)
    whole, some = (score(policy, policy, r).logps for r in (rollout, part))
    assert_close(some[part.mask], whole[rows][part.mask])


def test_first_attempts_of_another_policy_are_read_and_not_trained_on(
    policy: Policy, other_policy: Policy
) -> None:
    """They are what that policy says by itself; all that is scored is the second attempt."""
    env, other = ragged(), other_policy
    venv = SelfCorrectVectorEnv.like(env, 12, autoreset_mode=AutoresetMode.DISABLED)

    def play(first: Policy | None, by: Policy = policy) -> Rollout:
        generator = torch.Generator().manual_seed(0)
        return collect(
            by, venv, [0, 1, 2], samples=4, max_new_tokens=12, generator=generator, first=first
        )

    rollout, alone = play(other), play(None, other)
    firsts = [episode.attempts[0] for episode in rollout.episodes]
    assert firsts == [episode.attempts[0] for episode in alone.episodes]
    assert firsts != [episode.attempts[0] for episode in play(None).episodes]
    assert set(rollout.turn.tolist()) == {1}
    assert rollout.scores.shape == (12, 2)
    scores = score(policy, policy, rollout)
    sampled = rollout.mask
    assert_close(scores.logps.detach()[sampled], rollout.logps[sampled], atol=1e-4, rtol=1e-4)
    assert rollout.turn_sum(rollout.logps)[:, 0].abs().sum() == 0
    eos = policy.tokenizer.eos_token_id
    instruction = policy.tokenizer.convert_tokens_to_ids(env.prompts.correction)
    for row, episode in enumerate(rollout.episodes):
        ids = rollout.ids[row][rollout.attention_mask[row]].tolist()
        second = rollout.ids[row, rollout.columns[sampled[row]]].tolist()
        prompt = policy.chat.prompt_ids(episode.conversation[:1])
        between = ids[len(prompt) : -len(second)]
        assert ids == [*prompt, *between, *second]
        assert between[-2:] == [eos, instruction]
        assert policy.tokenizer.decode(between[:-2], skip_special_tokens=True) == (
            episode.attempts[0].reply
        )
        assert episode.attempts[1].tokens == len(second)


def test_metrics_say_what_the_episodes_were_like(policy: Policy) -> None:
    """Right then wrong, wrong then right, right twice, and one that could not be judged."""
    answers = iter(["2", "3", "2", "4", "3", "2", "2", "2"])  # first attempts, then second ones

    def judge(problem: object, text: str) -> bool:
        answer = next(answers)
        if answer == "4":
            raise RuntimeError("the verifier broke")
        return answer == "2"

    env = SelfCorrectEnv([{"prompt": "1+1=", "reference": "2"}], verifier=judge, prompts="plain")
    venv = SelfCorrectVectorEnv.like(env, 4, autoreset_mode=AutoresetMode.DISABLED)
    rollout = collect(policy, venv, [0], samples=4, max_new_tokens=3)
    metrics = rollout_metrics(rollout)
    assert rollout.judged.tolist() == [True, True, True, False]
    assert metrics["t1/accuracy"] == pytest.approx(2 / 3)
    assert metrics["t2/accuracy"] == pytest.approx(2 / 3)
    assert metrics["delta"] == 0.0
    lengths = [episode.attempts[0].tokens for episode in rollout.episodes[:3]]
    assert metrics["t1/tokens"] == pytest.approx(sum(filter(None, lengths)) / 3)
