"""Each objective against numbers worked out by hand or by enumeration."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents.rl import objectives


def test_the_bonus_goes_to_the_second_turn_alone() -> None:
    scores = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    shaped = objectives.progress_bonus(scores, alpha=10.0)
    assert shaped.tolist() == [[0, 0], [1, 1], [0, 11], [1, -10]]


def test_returns_are_per_turn_unless_gamma_says_otherwise() -> None:
    rewards = torch.tensor([[1.0, 4.0]])
    assert objectives.reward_to_go(rewards, 0.0).tolist() == [[1.0, 4.0]]
    assert objectives.reward_to_go(rewards, 0.5).tolist() == [[3.0, 4.0]]


def test_leave_one_out_by_hand() -> None:
    returns = torch.tensor([[1.0], [0.0], [0.0], [3.0], [5.0], [1.0]])
    advantages = objectives.leave_one_out(returns, 3)
    assert_close(advantages.flatten(), torch.tensor([1.0, -0.5, -0.5, 0.0, 3.0, -3.0]))


def test_leave_one_out_leaves_invalid_episodes_out() -> None:
    returns = torch.tensor([[1.0], [0.0], [9.0], [7.0]])
    valid = torch.tensor([True, True, False, True])
    advantages = objectives.leave_one_out(returns, 4, valid)
    assert_close(advantages.flatten(), torch.tensor([1 - 3.5, 0 - 4.0, 0.0, 7 - 0.5]))
    alone = objectives.leave_one_out(returns, 4, torch.tensor([True, False, False, False]))
    assert alone.abs().sum() == 0


def test_leave_one_out_leaves_turns_out() -> None:
    """The second turn was taken by the first, the third and the fourth episode."""
    returns = torch.tensor([[1.0, 4.0], [0.0, 9.0], [0.0, 1.0], [3.0, 1.0]])
    valid = torch.tensor([[True, True], [True, False], [True, True], [True, True]])
    advantages = objectives.leave_one_out(returns, 4, valid)
    assert_close(advantages[:, 0], torch.tensor([0.0, -4 / 3, -4 / 3, 8 / 3]))
    assert_close(advantages[:, 1], torch.tensor([3.0, 0.0, -1.5, -1.5]))
    normalised = objectives.group_normalised(returns, 4, valid, epsilon=0.0)
    assert_close(normalised[:, 1], torch.tensor([2.0, 0.0, -1.0, -1.0]) / 3**0.5)


def test_normalised_roles_by_hand() -> None:
    """Turns 1 and 3 are one role, with values 1, 3, 5 (mean 3, variance 4); turn 2 another."""
    advantages = torch.tensor([[1.0, 10.0, 5.0], [3.0, 30.0, 99.0]])
    valid = torch.tensor([[True, True, True], [True, True, False]])
    found = objectives.role_normalised(advantages, [0, 1, 0], valid, epsilon=0.0)
    assert_close(found[:, 0], torch.tensor([-1.0, 0.0]))
    assert_close(found[:, 1], torch.tensor([-(0.5**0.5), 0.5**0.5]))
    assert_close(found[:, 2], torch.tensor([1.0, 0.0]))
    single = objectives.role_normalised(advantages, [0, 1, 2], valid)
    assert single[:, 2].tolist() == [0.0, 0.0], "one value has no spread"
    assert objectives.role_normalised(torch.ones(2, 3), [0, 0, 0], valid).abs().sum() == 0


def test_the_mean_of_the_batch_by_hand() -> None:
    returns = torch.tensor([[1.0], [0.0], [9.0], [2.0]])
    valid = torch.tensor([True, True, False, True])
    advantages = objectives.batch_mean(returns, valid)
    assert_close(advantages.flatten(), torch.tensor([1 - 1.0, 0 - 1.5, 0.0, 2 - 0.5]))
    assert_close(objectives.batch_mean(returns), objectives.leave_one_out(returns, 4))


def test_normalised_groups_by_hand() -> None:
    """(R − mean) / (std + ε) with the n − 1 of the sample's deviation, as GRPO's trainers have."""
    returns = torch.tensor([[1.0], [0.0], [0.0], [3.0], [5.0], [1.0]])
    advantages = objectives.group_normalised(returns, 3, epsilon=0.0)
    one, two = returns[:3], returns[3:]
    expected = [(one - one.mean()) / one.std(), (two - two.mean()) / two.std()]
    assert_close(advantages, torch.cat(expected))
    valid = torch.tensor([True, True, False, True, False, False])
    advantages = objectives.group_normalised(returns, 3, valid, epsilon=0.0)
    root = 0.5**0.5
    assert_close(advantages[:2].flatten(), torch.tensor([root, -root]))
    assert advantages[2] == 0
    alike = objectives.group_normalised(torch.ones(4, 2), 4)
    assert alike.tolist() == [[0.0, 0.0]] * 4
    single = objectives.group_normalised(returns, 3, valid)
    assert single[3:].abs().sum() == 0


def test_the_clipped_surrogate_by_hand() -> None:
    """min(ρ A, clip(ρ) A) at ε = 0.2, with its gradient ρ A where the clip has no say."""
    ratio = torch.tensor([2.0, 2.0, 0.5, 0.5, 1.1])
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0, 3.0])
    logps = ratio.log().requires_grad_()
    value = objectives.clipped_surrogate(logps, torch.zeros(5), advantages, 0.2)
    assert_close(value, torch.tensor([1.2, -2.0, 0.5, -0.8, 3.3]))
    (gradient,) = torch.autograd.grad(value.sum(), logps)
    assert_close(gradient, torch.tensor([0.0, -2.0, 0.5, 0.0, 3.3]))


def test_truncated_importance_by_hand() -> None:
    """min(ρ, 3) A log π, whose gradient is min(ρ, 3) A: the weight is no part of it."""
    logps = torch.tensor([-1.0, -1.0, -2.0], requires_grad=True)
    behaviour = logps.detach() - torch.tensor([2.0, 5.0, 0.5]).log()
    advantages = torch.tensor([1.0, 1.0, -2.0])
    value = objectives.truncated_importance(logps, behaviour, advantages, 3.0)
    assert_close(value, torch.tensor([-2.0, -3.0, 2.0]))
    (gradient,) = torch.autograd.grad(value.sum(), logps)
    assert_close(gradient, torch.tensor([2.0, 3.0, -1.0]))


@pytest.mark.parametrize(("samples", "rows"), [(1, 4), (3, 4)])
def test_leave_one_out_refuses_broken_groups(samples: int, rows: int) -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        objectives.leave_one_out(torch.zeros(rows, 2), samples)


def test_token_logps_are_those_of_log_softmax() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[0, 1, 2], [4, 3, 0]])
    expected = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    assert_close(objectives.token_logps(logits, ids), expected)


def test_kl_full_by_hand() -> None:
    p, q = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[0.9, 0.1]]])
    expected = 0.5 * torch.log(torch.tensor(0.5 / 0.9)) + 0.5 * torch.log(torch.tensor(0.5 / 0.1))
    assert_close(objectives.kl_full(p.log(), q.log()), expected.view(1, 1))


class Toy:
    """A two-turn policy of 3 answers each, softmax tables: everything can be enumerated."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.first = torch.randn(3, generator=generator, dtype=torch.float64).requires_grad_()
        self.second = torch.randn(3, 3, generator=generator, dtype=torch.float64).requires_grad_()
        self.ref_first = torch.randn(3, generator=generator, dtype=torch.float64)
        self.ref_second = torch.randn(3, 3, generator=generator, dtype=torch.float64)
        self.episodes = list(itertools.product(range(3), range(3)))
        # answer 0 is right
        self.scores = torch.tensor(
            [[float(a == 0), float(b == 0)] for a, b in self.episodes], dtype=torch.float64
        )

    def logps(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        one, two = first.log_softmax(-1), second.log_softmax(-1)
        return torch.stack([torch.stack([one[a], two[a, b]]) for a, b in self.episodes])

    def expected_gradient(self, loss_of_episode: torch.Tensor) -> list[torch.Tensor]:
        """Enumerate the expectation of an estimator's gradient: weights are constants."""
        weights = self.logps(self.first, self.second).sum(1).exp().detach()
        total = (weights * loss_of_episode).sum()
        return list(torch.autograd.grad(total, [self.first, self.second], allow_unused=True))

    def exact_gradient(self, value_of_episode: torch.Tensor) -> list[torch.Tensor]:
        """Differentiate the expectation itself."""
        weights = self.logps(self.first, self.second).sum(1).exp()
        total = (weights * value_of_episode).sum()
        return list(torch.autograd.grad(total, [self.first, self.second]))


def estimator(toy: Toy, returns: torch.Tensor) -> torch.Tensor:
    """One loss for each episode, as `policy_gradient_loss` computes it for a batch of one."""
    logps = toy.logps(toy.first, toy.second)
    one = torch.tensor([True])
    return torch.stack(
        [
            objectives.policy_gradient_loss((returns * logps)[i : i + 1], one)
            for i in range(len(logps))
        ]
    )


def test_gamma_one_follows_the_exact_gradient_of_the_sum_of_rewards() -> None:
    toy = Toy()
    returns = objectives.reward_to_go(toy.scores, 1.0)
    ours = toy.expected_gradient(estimator(toy, returns))
    exact = toy.exact_gradient(-toy.scores.sum(1))
    for a, b in zip(ours, exact, strict=True):
        assert_close(a, b)


def test_stage_one_gives_the_first_turn_no_reward_gradient() -> None:
    toy = Toy()
    rewards = torch.cat([torch.zeros_like(toy.scores[:, :1]), toy.scores[:, 1:]], 1)
    first, second = toy.expected_gradient(estimator(toy, objectives.reward_to_go(rewards, 0.0)))
    assert_close(first, torch.zeros_like(first))
    assert_close(second, toy.exact_gradient(-toy.scores[:, 1])[1])


def test_the_shaped_gradient_is_one_plus_alpha_times_that_of_the_second_reward() -> None:
    toy = Toy()
    shaped = objectives.progress_bonus(toy.scores, 10.0)
    first, second = toy.expected_gradient(estimator(toy, shaped))
    assert_close(second, 11.0 * toy.exact_gradient(-toy.scores[:, 1])[1])
    assert_close(first, toy.exact_gradient(-toy.scores[:, 0])[0])


def test_k1_in_the_reward_and_k2_as_a_loss_follow_the_kl_of_the_second_turn() -> None:
    toy = Toy()
    ref = toy.logps(toy.ref_first, toy.ref_second)
    logps = toy.logps(toy.first, toy.second)
    k1 = objectives.kl_k1(logps, ref).detach()
    exact = toy.exact_gradient(objectives.kl_k1(logps, ref)[:, 1])[1]
    in_reward = toy.expected_gradient(estimator(toy, -k1))[1]
    as_loss = toy.expected_gradient(objectives.kl_k2(toy.logps(toy.first, toy.second), ref)[:, 1])[
        1
    ]
    assert_close(in_reward, exact)
    assert_close(as_loss, exact)


def test_k1_as_a_loss_would_teach_nothing() -> None:
    toy = Toy()
    ref = toy.logps(toy.ref_first, toy.ref_second)
    gradient = toy.expected_gradient(objectives.kl_k1(toy.logps(toy.first, toy.second), ref).sum(1))
    for part in gradient:
        assert_close(part, torch.zeros_like(part))


def test_k3_as_a_loss_would_follow_the_forward_kl() -> None:
    """Why k3 as a loss is no default: its expected gradient is that of KL(π_ref ‖ π)."""
    toy = Toy()
    one, ref = toy.first.log_softmax(-1), toy.ref_first.log_softmax(-1)
    loss = (one.exp().detach() * objectives.kl_k3(one, ref)).sum()
    (gradient,) = torch.autograd.grad(loss, toy.first)
    (forward,) = torch.autograd.grad(
        (ref.exp() * (ref - toy.first.log_softmax(-1))).sum(), toy.first
    )
    reverse_kl = objectives.kl_full(toy.first, toy.ref_first)
    (reverse,) = torch.autograd.grad(reverse_kl, toy.first)
    assert_close(gradient, forward)
    assert (gradient - reverse).abs().max() > 0.01


def test_all_estimates_of_the_kl_have_its_value() -> None:
    toy = Toy()
    one, ref = toy.first.detach().log_softmax(-1), toy.ref_first.log_softmax(-1)
    exact = objectives.kl_full(toy.first.detach(), toy.ref_first)
    assert_close((one.exp() * objectives.kl_k1(one, ref)).sum(), exact)
    assert_close((one.exp() * objectives.kl_k3(one, ref)).sum(), exact)
    assert (objectives.kl_k3(one, ref) >= 0).all()


def test_leave_one_out_against_brute_force() -> None:
    generator = torch.Generator().manual_seed(2)
    returns = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    valid = torch.rand(20, generator=generator) < 0.6
    advantages = objectives.leave_one_out(returns, 5, valid)
    for row in range(20):
        others = [j for j in range(20) if j // 5 == row // 5 and j != row and valid[j]]
        expected = torch.zeros(2, dtype=torch.float64)
        if valid[row] and others:
            expected = returns[row] - returns[others].mean(0)
        assert_close(advantages[row], expected)


STAGES = {
    # name: (rewards, value that each turn's own gradient follows)
    "plain": (lambda s: s, (1.0, 1.0)),
    "stage I": (lambda s: torch.cat([torch.zeros_like(s[:, :1]), s[:, 1:]], 1), (0.0, 1.0)),
    "stage II": (lambda s: objectives.progress_bonus(s, 10.0), (1.0, 11.0)),
}


@pytest.mark.parametrize("kl", ["full", "k1", "k2"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_whole_estimator_is_unbiased(stage: str, kl: str) -> None:
    """Every pair of episodes of one problem, weighted by its probability, with the
    leave-one-out baseline and the KL: the expected gradient of the batch's loss is exactly
    that of −E[weight_t · r_t − β_t KL_t], each turn's for its own parameters."""
    toy, betas = Toy(), torch.tensor([0.4, 0.2], dtype=torch.float64)
    rewards_of, weights = STAGES[stage]
    rewards = rewards_of(toy.scores)
    ref = toy.logps(toy.ref_first, toy.ref_second)
    logps = toy.logps(toy.first, toy.second)
    probability = logps.sum(1).exp().detach()
    full_first = objectives.kl_full(toy.first, toy.ref_first)
    full_second = objectives.kl_full(toy.second, toy.ref_second)
    full = torch.stack([torch.stack([full_first, full_second[a]]) for a, _ in toy.episodes])
    both = torch.ones(2, dtype=torch.bool)
    expected_loss = torch.zeros((), dtype=torch.float64)
    for pair in itertools.product(range(9), repeat=2):
        rows = list(pair)
        advantages = objectives.leave_one_out(rewards[rows], 2, both)
        if kl == "k1":
            advantages = advantages - betas * objectives.kl_k1(logps, ref)[rows].detach()
        loss = objectives.policy_gradient_loss(advantages * logps[rows], both)
        if kl != "k1":
            penalty = full if kl == "full" else objectives.kl_k2(logps, ref)
            loss = loss + objectives.kl_loss(penalty[rows], betas, both)
        expected_loss = expected_loss + probability[rows].prod() * loss
    ours = torch.autograd.grad(expected_loss, [toy.first, toy.second], retain_graph=True)

    one, two = toy.first.log_softmax(-1), toy.second.log_softmax(-1)
    # turn 1: its own reward and KL; turn 2: given x₂, so under today's first turn
    value = weights[0] * one[0].exp() - betas[0] * full_first
    value = value + (one.exp().detach() * (weights[1] * two[:, 0].exp())).sum()
    value = value - betas[1] * (one.exp().detach() * full_second).sum()
    exact = torch.autograd.grad(-value, [toy.first, toy.second])
    for a, b in zip(ours, exact, strict=True):
        assert_close(a, b)


def test_means_are_over_valid_episodes() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]])
    valid = torch.tensor([True, True, False])
    assert objectives.mean_of_valid(values, valid).tolist() == [2.0, 3.0]
    assert objectives.mean_of_valid(values, ~valid & valid).tolist() == [0.0, 0.0]
    loss = objectives.kl_loss(values, torch.tensor([0.5, 0.25]), valid)
    assert loss.item() == 0.5 * 2.0 + 0.25 * 3.0
    logps = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]], requires_grad=True)
    advantages = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    loss = objectives.policy_gradient_loss(advantages * logps, torch.tensor([True, True]))
    assert loss.item() == -(-1 - 4 - 9 + 4) / 2
    loss.backward()
    assert logps.grad is not None
    assert logps.grad.tolist() == [[-0.5, -1.0], [-1.5, 0.5]]


def test_returns_of_three_turns_are_discounted_twice() -> None:
    rewards = torch.tensor([[1.0, 10.0, 100.0]])
    assert objectives.reward_to_go(rewards, 0.5).tolist() == [[31.0, 60.0, 100.0]]
    assert objectives.reward_to_go(rewards, 0.0).tolist() == rewards.tolist()
