"""The update: which gradient it follows, what it leaves out, what it refuses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from gymnasium.vector import AutoresetMode
from tabular import kept_gradients
from torch.testing import assert_close

from selfcorrect_agents.errors import DivergenceError
from selfcorrect_agents.lm.learner import Learner, adamw
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.references import FrozenCopy
from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.config import KLTerm, Objective, Unit, check_kl_term
from selfcorrect_agents.rl.loss import Batch, Part, loss, turn_kl
from selfcorrect_agents.rl.rollout import Rollout, collect
from selfcorrect_agents.rl.scoring import score
from selfcorrect_agents.rl.update import LOGGED, update
from selfcorrect_env import SelfCorrectEnv, SelfCorrectVectorEnv

KINDS: list[KLTerm] = ["full_loss", "k1_reward", "k2_reward", "k3_reward", "k2_loss", "k3_loss"]
BETAS = (0.3, 0.1)


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
    reference = FrozenCopy(policy)
    generator = torch.Generator().manual_seed(5)
    for weight in reference.model.parameters():
        weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return reference


def learner(policy: Policy, learning_rate: float) -> Learner:
    return Learner(policy.model, adamw(policy.model, learning_rate), max_grad_norm=1e9)


def gradient(
    policy: Policy,
    reference: Policy,
    batches: Sequence[Batch],
    objective: Objective | None = None,
    **how: Any,
) -> torch.Tensor:
    """The gradient of one update, flat; the weights stay as they are."""
    still = learner(policy, 0.0)
    gradients = kept_gradients(still)
    update(policy, reference, still, batches, objective or Objective(), **how)
    return torch.cat([gradient.flatten() for gradient in gradients])


def batch_of(
    rollout: Rollout, rewards: torch.Tensor, betas: Sequence[float] = BETAS
) -> list[Batch]:
    return [Batch(rollout=rollout, rewards=rewards, betas=betas)]


def random_rewards(rollout: Rollout) -> torch.Tensor:
    return torch.rand(rollout.scores.shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize(
    ("kl", "unit"),
    [
        ("full_loss", "sequence"),
        ("full_loss", "token"),
        ("k1_reward", "sequence"),
        ("k2_loss", "token"),
    ],
)
@pytest.mark.parametrize("tokens", [1, 100, 200])
def test_small_forward_passes_add_up(
    policy: Policy, env: SelfCorrectEnv, kl: KLTerm, tokens: int, unit: Unit
) -> None:
    rollout, reference = roll(policy, env), moved(policy)
    rollout.judged[[0, 5, 6]] = False
    batches, objective = batch_of(rollout, random_rewards(rollout)), Objective(kl=kl, unit=unit)
    whole = gradient(policy, reference, batches, objective)
    parts = gradient(policy, reference, batches, objective, tokens_per_forward=tokens)
    assert whole.abs().max() > 1e-3
    assert_close(parts, whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("unit", ["sequence", "token"])
@pytest.mark.parametrize("kl", KINDS)
def test_the_gradient_is_that_of_the_equation(
    policy: Policy, env: SelfCorrectEnv, kl: KLTerm, unit: Unit
) -> None:
    """Written out episode by episode: −Σ_t (A_t ∇log π_t − β_t ∇KL_t), averaged."""
    rollout, reference = roll(policy, env), moved(policy)
    rewards = random_rewards(rollout)
    ours = gradient(policy, reference, batch_of(rollout, rewards), Objective(kl=kl, unit=unit))
    scores = score(policy, reference, rollout)
    logps, refs = rollout.turn_sum(scores.logps), rollout.turn_sum(scores.ref_logps)
    returns = rewards.clone()
    if kl.endswith("reward"):
        returns -= torch.tensor(BETAS) * turn_kl(scores, rollout, kl).detach()
    total = torch.zeros(())
    for row in range(12):
        others = [j for j in range(12) if j // 4 == row // 4 and j != row]
        for t in (0, 1):
            advantage = returns[row, t] - returns[others, t].mean()
            tokens = rollout.mask[row] & (rollout.turn == t)
            k = (scores.logps - scores.ref_logps)[row, tokens]
            full = scores.kl[row, tokens]
            after = torch.stack([full[i + 1 :].sum() for i in range(len(full))]).detach()
            penalty = {
                "full_loss": (full + after * scores.logps[row, tokens]).sum(),
                "k2_loss": (logps - refs)[row, t] ** 2 / 2,
                "k3_loss": (torch.exp(-k) - 1 + k).sum(),
            }.get(kl, torch.zeros(()))
            total = total - (advantage * logps[row, t] - BETAS[t] * penalty) / 12
    if unit == "token":  # every token of the batch weighs the same
        total = total / (rollout.tokens / 12)
    weights = list(policy.model.parameters())
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total, weights)])
    assert_close(ours, expected, atol=1e-5, rtol=1e-4)


def test_episodes_of_several_batches_count_alike(policy: Policy, env: SelfCorrectEnv) -> None:
    """8 judged episodes of one batch and 3 of another: the mean over all 11."""
    rollout, reference = roll(policy, env), moved(policy)
    one, two = rollout.of_problems([0, 2]), rollout.of_problems([1])
    two.judged[3] = False
    batches = [*batch_of(one, random_rewards(one)), *batch_of(two, 2 * random_rewards(two))]
    ours = gradient(policy, reference, batches)
    apart = [gradient(policy, reference, [batch]) for batch in batches]
    assert_close(ours, (8 * apart[0] + 3 * apart[1]) / 11, atol=1e-6, rtol=1e-4)


def test_every_token_of_several_batches_weighs_the_same(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    """Of one batch's episodes only the second turn is trained: its tokens weigh no more for it."""
    rollout, reference = roll(policy, env), moved(policy)
    later = rollout.turn == 1
    second = replace(
        rollout,
        columns=rollout.columns[later],
        sampled=rollout.sampled[:, later],
        turn=rollout.turn[later],
        mask=rollout.mask[:, later],
        logps=rollout.logps[:, later],
    )
    rollout.judged[[0, 5]] = False
    batches = [*batch_of(rollout, random_rewards(rollout)), *batch_of(second, 1.0 * second.scores)]
    sequence, token = (
        gradient(policy, reference, batches, Objective(kl="k1_reward", unit=unit))
        for unit in ("sequence", "token")
    )
    tokens = int(rollout.mask[rollout.judged].sum()) + int(second.mask[second.judged].sum())
    episodes = int(rollout.judged.sum()) + int(second.judged.sum())
    assert_close(token, sequence / (tokens / episodes), atol=1e-6, rtol=1e-4)


def perturbed(rewards: torch.Tensor) -> torch.Tensor:
    changed = rewards.clone()
    changed[:, 1] = 1 - changed[:, 1] ** 2
    return changed


def gradient_of_logits(
    policy: Policy, rollout: Rollout, rewards: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Of the whole loss, by the logits at the sampled tokens."""
    scores = score(policy, policy, rollout)
    columns, objective = rollout.columns, Objective(gamma=gamma)
    logits = policy.logits(rollout.ids, rollout.attention_mask, columns).detach().requires_grad_()
    scores = replace(scores, logps=objectives.token_logps(logits, rollout.sampled))
    batch = Batch(rollout=rollout, rewards=rewards, betas=(0.0, 0.0))
    total = loss(scores, Part.of(batch, objective), replace(objective, kl="k2_loss"))
    return torch.autograd.grad(total, logits)[0]


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


@pytest.mark.parametrize("tokens", [None, 100])
def test_unjudged_episodes_have_no_part_in_the_gradient(
    policy: Policy, env: SelfCorrectEnv, tokens: int | None
) -> None:
    rollout, reference = roll(policy, env), moved(policy)
    rollout.judged[[0, 9]] = False
    rewards = random_rewards(rollout)
    expected = gradient(policy, reference, batch_of(rollout, rewards), tokens_per_forward=tokens)
    rewards[[0, 9]] = 1e6
    ours = gradient(policy, reference, batch_of(rollout, rewards), tokens_per_forward=tokens)
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("betas", [(0.1,), (0.1, 0.1, 0.1)])
def test_every_turn_needs_its_beta(
    policy: Policy, env: SelfCorrectEnv, betas: Sequence[float]
) -> None:
    rollout = roll(policy, env)
    with pytest.raises(ValueError, match="one coefficient for each turn"):
        batch_of(rollout, rollout.scores, betas)


def test_k1_as_a_loss_is_refused_with_its_reason() -> None:
    with pytest.raises(ValueError, match="expected gradient of k1 as a loss is zero"):
        check_kl_term("k1_loss")
    with pytest.raises(ValueError, match="one of full_loss"):
        check_kl_term("k4_loss")


def test_a_gradient_that_is_not_finite_changes_no_weight(
    policy: Policy, env: SelfCorrectEnv
) -> None:
    rollout = roll(policy, env)
    before = [weight.clone() for weight in policy.model.parameters()]
    rewards = torch.full_like(rollout.scores, float("nan"))
    with pytest.raises(DivergenceError, match=r"norm is (nan|inf)"):
        gradient(policy, policy, batch_of(rollout, rewards))
    assert all(map(torch.equal, before, policy.model.parameters()))


@pytest.mark.parametrize(("most", "expected"), [(1e-6, 1.0), (0.0, 0.0), (1e9, 0.0)])
def test_the_share_of_clipped_steps_is_logged(
    policy: Policy, env: SelfCorrectEnv, most: float, expected: float
) -> None:
    rollout = roll(policy, env)
    clipping = Learner(policy.model, adamw(policy.model, 0.0), max_grad_norm=most)
    batches = batch_of(rollout, random_rewards(rollout))
    metrics = update(policy, moved(policy), clipping, batches, Objective())
    assert metrics["train/clipped"] == expected
    assert metrics["train/gradient_tokens"] == rollout.attention_mask.sum()


def test_a_step_in_which_nothing_was_judged_is_skipped(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    rollout.judged[:] = False
    before = [weight.clone() for weight in policy.model.parameters()]
    metrics = update(
        policy,
        policy,
        learner(policy, 1.0),
        batch_of(rollout, rollout.scores),
        Objective(),
    )
    assert metrics == {"train/unjudged": 12.0, "train/skipped": 1.0}
    assert all(map(torch.equal, before, policy.model.parameters()))


def test_every_metric_is_explained_and_none_is_missing(policy: Policy, env: SelfCorrectEnv) -> None:
    rollout = roll(policy, env)
    metrics = update(
        policy,
        moved(policy),
        learner(policy, 1e-3),
        batch_of(rollout, rollout.scores),
        Objective(),
    )
    explained = {key.format(t=t) for key in LOGGED for t in (1, 2)} - {
        "train/skipped",
        "train/same_weights",
    }
    of_the_trainer = {"episodes", "tokens", "gradient_tokens", "eval/…"}
    of_the_trainer |= {"train/unjudged_share", "train/learning_rate"}
    assert set(metrics) == explained - of_the_trainer
    assert metrics["t1/kl"] > 0
    assert metrics["t2/tokens"] == pytest.approx(
        rollout.turn_sum(rollout.mask.float())[:, 1].mean()
    )
