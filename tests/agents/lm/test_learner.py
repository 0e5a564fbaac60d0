"""`Learner`: micro-batches add up, the gradient is clipped, a bad gradient changes nothing."""

import contextlib
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from selfcorrect_agents.errors import DivergenceError
from selfcorrect_agents.lm.learner import Learner, adamw


@pytest.fixture
def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1, bias=False)


def sgd(model: nn.Module, max_grad_norm: float) -> Learner:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return Learner(model, optimizer, max_grad_norm=max_grad_norm)


def test_micro_batches_add_up(model: nn.Linear) -> None:
    start = model.weight.detach().clone()
    inputs = [torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.0, 3.0, 0.0])]
    norm = sgd(model, 1e9).step(model(x).sum() for x in inputs)
    assert norm == pytest.approx(14.0**0.5)
    assert_close(model.weight.detach(), start - torch.tensor([[1.0, 3.0, 2.0]]))


def test_the_gradient_is_clipped_and_its_norm_before_is_returned(model: nn.Linear) -> None:
    start = model.weight.detach().clone()
    norm = sgd(model, 0.5).step([model(torch.tensor([3.0, 0.0, 4.0])).sum()])
    assert norm == pytest.approx(5.0)
    assert_close(model.weight.detach(), start - torch.tensor([[0.3, 0.0, 0.4]]))


def test_clipping_can_be_turned_off(model: nn.Linear) -> None:
    start = model.weight.detach().clone()
    learner = sgd(model, 0.0)
    norm = learner.step([model(torch.tensor([3.0, 0.0, 4.0])).sum()])
    assert norm == pytest.approx(5.0)
    assert_close(model.weight.detach(), start - torch.tensor([[3.0, 0.0, 4.0]]))
    assert not learner.clips(norm)


def test_what_is_clipped_is_said(model: nn.Linear) -> None:
    assert [sgd(model, 0.5).clips(norm) for norm in (0.4, 0.5, 0.6)] == [False, False, True]


def test_gradients_of_the_step_before_are_forgotten(model: nn.Linear) -> None:
    learner = sgd(model, 1e9)
    one = torch.tensor([1.0, 0.0, 0.0])
    assert learner.step([model(one).sum()]) == pytest.approx(1.0)
    assert learner.step([model(one).sum()]) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [1.0, float("nan")])
def test_no_gradient_is_left_in_memory(model: nn.Linear, factor: float) -> None:
    with contextlib.suppress(DivergenceError):
        sgd(model, 1e9).step([model(torch.ones(3)).sum() * factor])
    assert [weight.grad for weight in model.parameters()] == [None] * len(list(model.parameters()))


def test_losses_are_computed_one_after_the_other_as_in_sampling(model: nn.Linear) -> None:
    model.train()
    seen: list[tuple[bool, bool]] = []

    def losses() -> Iterator[Tensor]:
        for _ in range(2):
            seen.append((model.training, model.weight.grad is not None))
            yield model(torch.ones(3)).sum()

    sgd(model, 1e9).step(losses())
    # no dropout; the first was differentiated before the second
    assert seen == [(False, False), (False, True)]
    assert model.training


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_no_weight(model: nn.Linear, bad: float) -> None:
    start = model.weight.detach().clone()
    with pytest.raises(DivergenceError, match=r"norm is (nan|inf)"):
        sgd(model.eval(), 1.0).step([model(torch.ones(3)).sum() * bad])
    assert torch.equal(model.weight, start)
    assert not model.training


def test_frozen_weights_have_no_optimiser_state() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    learner = Learner(model, adamw(model, 1e-2), max_grad_norm=1.0)
    frozen = model[0].weight.detach().clone()
    learner.step([model(torch.ones(2)).sum()])
    assert torch.equal(model[0].weight, frozen)
    assert len(learner.state_dict()["state"]) == 2


def test_the_learning_rate_is_that_of_the_next_step(model: nn.Linear) -> None:
    learner = sgd(model, 1e9)
    learner.learning_rate = 0.25
    start = model.weight.detach().clone()
    learner.step([model(torch.tensor([4.0, 0.0, 0.0])).sum()])
    assert learner.learning_rate == 0.25
    assert_close(model.weight.detach(), start - torch.tensor([[1.0, 0.0, 0.0]]))
