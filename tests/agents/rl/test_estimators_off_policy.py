"""Samples of another policy, and several steps on the same ones: weights and clips.

As in `test_estimators`: every batch holds all pairs of episodes as often as the policy that
sampled them says, and the exact gradients are NumPy's.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tabular import Game, Table, anything, dyadic, kept_gradients, sgd

from selfcorrect_agents.rl.config import Objective, Unit
from selfcorrect_agents.rl.loss import Batch
from selfcorrect_agents.rl.objectives import clipped_surrogate
from selfcorrect_agents.rl.update import update

HUGE = 1e9


def followed(
    game: Game,
    table: np.ndarray,
    objective: Objective,
    behaviour: np.ndarray,
    reference: np.ndarray | None = None,
    betas: Sequence[float] = (0.0, 0.0),
) -> np.ndarray:
    """(P, 3) expected direction of a step on samples of ``behaviour``."""
    policy = Table(game, table)
    rollout = game.rollout(game.pairs(behaviour), behaviour)
    batch = Batch(rollout=rollout, rewards=rollout.scores, betas=betas)
    learner = sgd(policy, 0.0)
    reference = table if reference is None else reference
    gradients = kept_gradients(learner)
    update(policy, Table(game, reference), learner, [batch], objective)
    return -gradients[0].numpy()


def exact(
    game: Game,
    table: np.ndarray,
    asked_by: np.ndarray,
    reference: np.ndarray | None = None,
    betas: Sequence[float] = (0.0, 0.0),
) -> np.ndarray:
    """(P, 3) gradient of ``E[r_t] − β_t KL_t``, the second turn being ``asked_by``'s."""
    given = np.exp(game.turns(game.logps(asked_by))[:, 0])
    reference = table if reference is None else reference

    def value(moved: np.ndarray, turn: int) -> float:
        own = np.exp(game.turns(game.logps(moved))[:, turn])
        kl = game.turns(game.logps(moved) - game.logps(reference))[:, turn]
        context = given if turn else np.exp(game.turns(game.logps(table))[:, 1])
        return float((context * own) @ (game.scores[:, turn] - betas[turn] * kl))

    return game.slope(value, table)


def close(ours: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(ours, expected, atol=1e-7, rtol=1e-6)


def apart(ours: np.ndarray, other: np.ndarray) -> None:
    assert np.abs(ours - other).max() > 1e-3, "the game can't tell the two apart"


# -- importance weights --------------------------------------------------------------------
@pytest.mark.parametrize("caps", [(2, 1), (1, 2)])
def test_weights_without_a_cap_give_the_on_policy_gradient(caps: tuple[int, int]) -> None:
    """Each turn's, KL in the reward included; x₂ stays as the other policy's first turn left it."""
    game = Game(caps)
    table, behaviour, reference = anything(game, 1), dyadic(game, 2), anything(game, 3)
    ours = followed(
        game,
        table,
        Objective(importance_cap=HUGE, kl="k1_reward"),
        behaviour,
        reference,
        (0.5, 0.25),
    )
    close(ours, exact(game, table, behaviour, reference, (0.5, 0.25)))
    on_policy = exact(game, table, table, reference, (0.5, 0.25))
    first = game.owner == 0
    close(ours[first], on_policy[first])
    apart(ours[~first], on_policy[~first])


def test_a_second_turn_of_another_policy_is_corrected_in_full() -> None:
    game = Game()
    behaviour, table = dyadic(game, 2), anything(game, 1)
    table[game.owner == 0] = behaviour[game.owner == 0]  # the same first turn
    ours = followed(game, table, Objective(importance_cap=HUGE), behaviour)
    close(ours, exact(game, table, table))


def test_a_cap_and_no_weights_at_all_are_biased() -> None:
    game = Game()
    table, behaviour = anything(game, 1), dyadic(game, 2)
    stated = exact(game, table, behaviour)
    capped = followed(game, table, Objective(importance_cap=1.0), behaviour)
    without = followed(game, table, Objective(), behaviour)
    apart(capped, stated)
    apart(without, stated)
    apart(capped, without)


def test_a_weight_is_cut_at_its_cap_and_nowhere_else() -> None:
    """All ratios of this game are below 8 and one is above 2: 8 changes nothing, 2 does."""
    game = Game()
    table, behaviour = anything(game, 1), dyadic(game, 2)
    ratio = np.exp(game.turns(game.logps(table) - game.logps(behaviour)))
    assert 2 < ratio.max() < 8
    free = followed(game, table, Objective(importance_cap=HUGE), behaviour)
    assert np.array_equal(followed(game, table, Objective(importance_cap=8.0), behaviour), free)
    apart(followed(game, table, Objective(importance_cap=2.0), behaviour), free)


def test_weights_of_tokens_are_exact_for_turns_of_one_token_alone() -> None:
    for caps, is_exact in (((1, 1), True), ((2, 1), False)):
        game = Game(caps)
        table, behaviour = anything(game, 4), dyadic(game, 5)
        ours = followed(game, table, Objective(importance_cap=HUGE, unit="token"), behaviour)
        length = game.probabilities(behaviour) @ game.mask.sum(axis=1)
        stated = exact(game, table, behaviour) / length
        (close if is_exact else apart)(ours[game.owner == 0], stated[game.owner == 0])


# -- clips -----------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", ["sequence", "token"])
def test_in_the_first_epoch_a_clip_changes_nothing(unit: Unit) -> None:
    game = Game()
    table = dyadic(game, 6)
    plain = followed(game, table, Objective(unit=unit), table)
    clipped = followed(game, table, Objective(unit=unit, clip=0.2), table)
    close(clipped, plain)
    assert np.abs(plain).max() > 1e-2


def test_a_clip_that_nothing_reaches_gives_the_on_policy_gradient() -> None:
    game = Game()
    table, behaviour = anything(game, 1), dyadic(game, 2)
    close(followed(game, table, Objective(clip=HUGE), behaviour), exact(game, table, behaviour))
    apart(followed(game, table, Objective(clip=0.2), behaviour), exact(game, table, behaviour))


@pytest.mark.parametrize(
    ("ratio", "better", "learns"),
    [
        (2.0, True, False),  # more likely already than the clip lets it become
        (2.0, False, True),
        (0.5, False, False),
        (0.5, True, True),
        (1.1, True, True),
        (0.9, False, True),
    ],
)
def test_beyond_the_clip_the_gradient_is_zero(ratio: float, better: bool, learns: bool) -> None:
    """One turn of one episode alone off-policy, by a given ratio; its score is 1 or 0."""
    game = Game((1, 1))
    table = dyadic(game, 7)
    policy = Table(game, table)
    rollout = game.rollout([0, 4], table)
    rollout.logps[0, 0] -= np.log(ratio)
    rollout.scores[:] = torch.tensor([[float(better), 0.5], [0.5, 0.5]])
    advantage = 0.5 if better else -0.5
    learner = sgd(policy, 0.0)
    batch = Batch(rollout=rollout, rewards=rollout.scores, betas=(0.0, 0.0))
    gradients = kept_gradients(learner)
    update(policy, policy, learner, [batch], Objective(clip=0.2))

    first, other = game.token[0, 0], game.token[4, 0]
    chance = np.exp(table[0]) / np.exp(table[0]).sum()
    expected = np.zeros(3)
    expected += (ratio if learns else 0.0) * advantage * (np.eye(3)[first] - chance) / 2
    expected -= advantage * (np.eye(3)[other] - chance) / 2
    close(-gradients[0].numpy()[0], expected)


@pytest.mark.parametrize("moved", [90.0, 1e4])
@pytest.mark.parametrize(("advantage", "expected"), [(0.5, 0.0), (0.0, 0.0), (-0.5, 0.0)])
def test_a_ratio_that_overflows_has_a_gradient(
    moved: float, advantage: float, expected: float
) -> None:
    """exp(90) is no float32 number; a long turn that moved far has such a ratio."""
    logps = torch.tensor([[moved - 100.0]], requires_grad=True)
    behaviour, of = torch.tensor([[-100.0]]), torch.tensor([[advantage]])
    value = clipped_surrogate(logps, behaviour, of, 0.2)
    value.sum().backward()
    assert value.isfinite().all()
    assert logps.grad is not None
    assert logps.grad.item() == expected


def test_later_epochs_move_less_far_with_a_clip_than_without() -> None:
    """Ten steps on the same episodes: a clip of 0.2 leaves every turn's ratio near 1 ± 0.2, where
    the same steps without one go on. With the weights of a huge cap they go on, too."""
    game = Game()
    table = dyadic(game, 8)

    def furthest(objective: Objective) -> float:
        policy = Table(game, table)
        rollout = game.rollout(game.pairs(table), table)
        batch = Batch(rollout=rollout, rewards=rollout.scores, betas=(0.0, 0.0))
        learner = sgd(policy, 1.0)
        update(policy, policy, learner, [batch], objective, epochs=10)
        moved = policy.model.weight.detach().numpy()
        ratio = game.turns(game.logps(moved) - game.logps(table))[:, 0]
        return float(np.abs(np.exp(ratio) - 1).max())

    assert furthest(Objective(clip=0.2)) < 0.35
    assert furthest(Objective()) > 0.5
    assert furthest(Objective(importance_cap=HUGE)) > 0.5
