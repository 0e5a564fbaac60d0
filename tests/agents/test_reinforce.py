"""The update: which gradient it follows, what it leaves out, what it refuses."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch.testing import assert_close

from selfcorrect_agents import objectives
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.reinforce import LOGGED, KLTerm, Objective, score, update
from selfcorrect_agents.rollout import Rollout, collect
from selfcorrect_agents.training import build_optimizer
from selfcorrect_env import SelfCorrectEnv, SelfCorrectVectorEnv

KINDS: list[KLTerm] = ["full_loss", "k1_reward", "k2_loss"]


def roll(policy: Policy, env: SelfCorrectEnv, samples: int = 4) -> Rollout:
    venv = SelfCorrectVectorEnv.like(env, 3 * samples, autoreset_mode=AutoresetMode.DISABLED)
    return collect(
        policy,
        venv,
        [0, 1, 2],
        samples=samples,
        max_new_tokens=6,
        generator=torch.Generator().manual_seed(3),
    )


def moved(policy: Policy) -> Policy:
    """A reference that differs from ``policy``, so that its KL is not zero."""
    reference = policy.frozen_copy()
    generator = torch.Generator().manual_seed(5)
    for weight in reference.model.parameters():
        weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return reference


def gradient(
    policy: Policy,
    reference: Policy,
    rollout: Rollout,
    rewards: torch.Tensor,
    **how: Any,
) -> torch.Tensor:
    """The gradient of one update, flat; the weights stay as they are."""
    objective = Objective(
        betas=how.pop("betas", (0.3, 0.1)), gamma=how.pop("gamma", 0.0), kl=how.pop("kl", KINDS[0])
    )
    optimizer = build_optimizer(policy.model, 0.0)
    update(policy, reference, optimizer, rollout, rewards, objective, max_grad_norm=1e9, **how)
    grads = [weight.grad for weight in policy.model.parameters()]
    return torch.cat([grad.flatten() for grad in grads if grad is not None])


def random_rewards(rollout: Rollout) -> torch.Tensor:
    return torch.rand(rollout.scores.shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("kl", KINDS)
@pytest.mark.parametrize("rows", [1, 5, 7])
def test_small_forward_passes_add_up(
    policy: Policy, env: SelfCorrectEnv, kl: KLTerm, rows: int
) -> None:
    rollout, reference = roll(policy, env), moved(policy)
    rollout.judged[[0, 5, 6]] = False
    rewards = random_rewards(rollout)
    whole = gradient(policy, reference, rollout, rewards, kl=kl)
    parts = gradient(policy, reference, rollout, rewards, kl=kl, rows_per_forward=rows)
    assert whole.abs().max() > 1e-3
    assert_close(parts, whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kl", KINDS)
def test_the_gradient_is_that_of_the_equation(
    policy: Policy, env: SelfCorrectEnv, kl: KLTerm
) -> None:
    """Written out episode by episode: −Σ_t (A_t ∇log π_t − β_t ∇KL_t), averaged."""
    rollout, reference = roll(policy, env), moved(policy)
    rewards, betas = random_rewards(rollout), (0.3, 0.1)
    ours = gradient(policy, reference, rollout, rewards, kl=kl, betas=betas)
    scores = score(policy, reference, rollout, slice(None))
    total = torch.zeros(())
    for row in range(12):
        others = [j for j in range(12) if j // 4 == row // 4 and j != row]
        for t in (0, 1):
            advantage = rewards[row, t] - rewards[others, t].mean()
            k1 = (scores.logps - scores.ref_logps)[row, t]
            penalty = {
                "full_loss": scores.kl[row, t],
                "k1_reward": k1.detach() * scores.logps[row, t],
                "k2_loss": k1**2 / 2,
            }[kl]
            total = total - (advantage * scores.logps[row, t] - betas[t] * penalty) / 12
    weights = list(policy.model.parameters())
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total, weights)])
    assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def perturbed(rewards: torch.Tensor) -> torch.Tensor:
    changed = rewards.clone()
    changed[:, 1] = 1 - changed[:, 1] ** 2
    return changed


def gradient_of_logits(
    policy: Policy, rollout: Rollout, rewards: torch.Tensor, gamma: float
) -> torch.Tensor:
    columns = rollout.columns
    logits = policy.logits(rollout.ids, rollout.attention_mask, columns).detach().requires_grad_()
    tokens = objectives.token_logps(logits, rollout.ids[:, columns])
    advantages = objectives.leave_one_out(objectives.reward_to_go(rewards, gamma), 4)
    logps = rollout.turn_sum(tokens)
    loss = objectives.policy_gradient_loss(logps, advantages, rollout.judged)
    return torch.autograd.grad(loss, logits)[0]


def test_the_second_reward_credits_the_first_turn_under_gamma_alone(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    rollout = roll(policy, env)
    rewards = random_rewards(rollout)
    first = rollout.turn == 0
    for gamma, reaches in ((0.0, False), (0.5, True)):
        before = gradient_of_logits(policy, rollout, rewards, gamma)
        after = gradient_of_logits(policy, rollout, perturbed(rewards), gamma)
        assert torch.equal(before[:, first], after[:, first]) is not reaches
        assert not torch.equal(before[:, ~first], after[:, ~first])
        assert before[~rollout.mask].abs().sum() == 0


@pytest.mark.parametrize("rows", [None, 5])
def test_unjudged_episodes_have_no_part_in_the_gradient(
    policy: Policy, env: SelfCorrectEnv, rows: int | None
) -> None:
    rollout, reference = roll(policy, env), moved(policy)
    rollout.judged[[0, 9]] = False
    rewards = random_rewards(rollout)
    expected = gradient(policy, reference, rollout, rewards, rows_per_forward=rows)
    rewards[[0, 9]] = 1e6
    ours = gradient(policy, reference, rollout, rewards, rows_per_forward=rows)
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("betas", [(0.1,), (0.1, 0.1, 0.1)])
def test_every_turn_needs_its_beta(
    policy: Policy, env: SelfCorrectEnv, betas: Sequence[float]
) -> None:
    rollout = roll(policy, env)
    with pytest.raises(ValueError, match="one coefficient for each turn"):
        gradient(policy, policy, rollout, rollout.scores, betas=betas)


def test_a_gradient_that_is_not_finite_changes_no_weight(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    rollout = roll(policy, env)
    before = [weight.clone() for weight in policy.model.parameters()]
    rewards = torch.full_like(rollout.scores, float("nan"))
    with pytest.raises(RuntimeError, match="non-finite"):
        gradient(policy, policy, rollout, rewards)
    assert all(map(torch.equal, before, policy.model.parameters()))


def test_every_figure_is_explained_and_none_is_missing(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    optimizer = build_optimizer(policy.model, 1e-3)
    figures = update(
        policy, moved(policy), optimizer, rollout, rollout.scores, Objective(betas=(0.1, 0.1))
    )
    explained = {key.format(t=t) for key in LOGGED for t in (1, 2)} - {"train/skipped"}
    assert set(figures) == explained
    assert figures["t1/kl"] > 0
    assert figures["t2/tokens"] == rollout.turn_sum(rollout.mask.float())[:, 1].mean()
