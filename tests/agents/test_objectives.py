"""Each objective against numbers worked out by hand or by enumeration."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from selfcorrect_agents import objectives


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
            objectives.policy_gradient_loss(logps[i : i + 1], returns[i : i + 1], one)
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
