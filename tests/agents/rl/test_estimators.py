"""Which gradient the update follows, against exact ones of a game that can be written down.

Every batch holds all pairs of episodes as often as they are likely (`Game.pairs`), so the gradient
of one `update` is the expectation of the estimator, not a sample of it; the gradients that it is
compared with come from NumPy and finite differences (`Game.slope`). Each turn's objective is
differentiated by the tokens of that turn: what it is asked in is the doing of the turns before.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from tabular import Game, Table, anything, dyadic, kept_gradients, sgd

from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.methods.score.score import scale_later, stage_one, stage_two
from selfcorrect_agents.methods.single_turn_rl.single_turn_rl import first_attempt_only
from selfcorrect_agents.rl.config import KLTerm, Objective
from selfcorrect_agents.rl.credit import Rewards
from selfcorrect_agents.rl.loss import Batch, turn_advantages
from selfcorrect_agents.rl.objectives import group_normalised, leave_one_out, progress_bonus
from selfcorrect_agents.rl.update import update

ALPHA, BETA_1, BETA_2 = 10.0, 0.125, 0.5
CONFIG = SCoReConfig(alpha=ALPHA, beta_1=BETA_1, beta_2=BETA_2)
SCALED = SCoReConfig(alpha=ALPHA, beta_1=BETA_1, beta_2=BETA_2, shaping="scale")
CAPS = [(2, 1), (1, 2)]

Hand = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
STAGES: dict[str, tuple[Rewards, Sequence[float], Hand, tuple[float, float]]] = {
    # the code's rewards and betas; the same by hand
    "plain": (lambda scores: scores, [BETA_1] * 2, lambda a, b: (a, b), (0.125, 0.125)),
    "single-turn": (first_attempt_only, [BETA_1, 0.0], lambda a, b: (a, 0 * b), (0.125, 0.0)),
    "stage I": (
        stage_one(CONFIG).rewards,
        stage_one(CONFIG).betas,
        lambda a, b: (0 * a, b),
        (0.625, 0.125),
    ),
    "stage II": (
        stage_two(CONFIG).rewards,
        stage_two(CONFIG).betas,
        lambda a, b: (a, b + 10 * (b - a)),
        (0.125, 0.125),
    ),
    "stage II, scale": (
        stage_two(SCALED).rewards,
        stage_two(SCALED).betas,
        lambda a, b: (a, 11 * b),
        (0.125, 0.125),
    ),
}


def followed(
    game: Game,
    table: np.ndarray,
    reference: np.ndarray,
    objective: Objective,
    rewards: Rewards = lambda scores: scores,
    betas: Sequence[float] = (0.0, 0.0),
    rows: Sequence[int] | None = None,
    samples: int = 2,
) -> np.ndarray:
    """(P, 3) direction of the optimiser's step on ``rows``; by default the expected one."""
    policy = Table(game, table)
    rollout = game.rollout(game.pairs(table) if rows is None else rows, table, samples)
    batch = Batch(rollout=rollout, rewards=rewards(rollout.scores), betas=betas)
    learner = sgd(policy, 0.0)
    gradients = kept_gradients(learner)
    update(policy, Table(game, reference), learner, [batch], objective)
    return -gradients[0].numpy()


def exact(
    game: Game,
    table: np.ndarray,
    reference: np.ndarray,
    rewards: tuple[np.ndarray, np.ndarray],
    betas: Sequence[float] = (0.0, 0.0),
    gamma: float = 0.0,
) -> np.ndarray:
    """(P, 3) gradient of ``E[ Σ_{s≥t} γ^{s−t} r_s ] − β_t KL(π(·|x_t) ‖ π_ref(·|x_t))``."""
    returns = (rewards[0] + gamma * rewards[1], rewards[1])

    def value(moved: np.ndarray, turn: int) -> float:
        kl = game.turns(game.logps(moved) - game.logps(reference))[:, turn]
        return float(game.probabilities(moved) @ (returns[turn] - betas[turn] * kl))

    return game.slope(value, table)


def close(ours: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(ours, expected, atol=1e-7, rtol=1e-6)


def apart(ours: np.ndarray, other: np.ndarray) -> None:
    assert np.abs(ours - other).max() > 1e-3, "the game can't tell the two apart"


# -- what is unbiased --------------------------------------------------------------------
@pytest.mark.parametrize("caps", CAPS)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kl", ["full_loss", "k1_reward", "k2_loss"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_expected_step_is_the_gradient_of_the_objective(
    stage: str, kl: KLTerm, gamma: float, caps: tuple[int, int]
) -> None:
    game = Game(caps)
    table, reference = dyadic(game, 1), anything(game, 2)
    rewards, betas, by_hand, betas_by_hand = STAGES[stage]
    ours = followed(game, table, reference, Objective(kl=kl, gamma=gamma), rewards, betas)
    stated = by_hand(game.scores[:, 0], game.scores[:, 1])
    close(ours, exact(game, table, reference, stated, betas_by_hand, gamma))
    apart(ours, 0 * ours)


def test_under_gamma_one_the_rewards_are_credited_as_their_sum() -> None:
    """All tables against E[r₁ + r₂] as one number: no turn's context is held fixed here."""
    game = Game()
    table = dyadic(game, 1)
    total = game.scores.sum(axis=1)
    whole = game.slope(lambda moved, turn: float(game.probabilities(moved) @ total), table)
    close(followed(game, table, table, Objective(gamma=1.0)), whole)
    apart(followed(game, table, table, Objective(gamma=0.0)), whole)


@pytest.mark.parametrize("kl", ["full_loss", "k1_reward", "k2_loss"])
@pytest.mark.parametrize("caps", CAPS)
def test_token_units_follow_the_same_gradient_over_the_mean_length(
    caps: tuple[int, int], kl: KLTerm
) -> None:
    game = Game(caps)
    table, reference = dyadic(game, 3), anything(game, 4)
    stated = (game.scores[:, 0], game.scores[:, 1])
    ours = followed(game, table, reference, Objective(kl=kl, unit="token"), betas=(BETA_2, BETA_1))
    length = game.probabilities(table) @ game.mask.sum(axis=1)
    assert length != round(length)
    close(ours, exact(game, table, reference, stated, (BETA_2, BETA_1)) / length)


def test_the_kl_over_the_vocabulary_needs_the_prefixes() -> None:
    """With prefixes taken as given, as in most trainers, the game shows another gradient."""
    game = Game((2, 1))
    table, reference = dyadic(game, 5), anything(game, 6)
    stated, visits = (game.scores[:, 0], game.scores[:, 1]), game.visits(table)

    def held(moved: np.ndarray, turn: int) -> float:
        kl = (visits * divergence(moved, reference))[game.owner == turn].sum()
        return -(BETA_2, BETA_1)[turn] * float(kl)

    as_given = exact(game, table, reference, stated) + game.slope(held, table)
    ours = followed(game, table, reference, Objective(kl="full_loss"), betas=(BETA_2, BETA_1))
    apart(ours, as_given)


@pytest.mark.parametrize("samples", [1, 2])
def test_the_mean_of_the_batch_is_unbiased_whatever_the_problems(samples: int) -> None:
    """Batches of two episodes, of one problem or of two: every batch there is, by its chance."""
    game = Game((1, 1))
    table, reference = dyadic(game, 7), anything(game, 8)
    objective = Objective(kl="k1_reward", advantage="batch_mean")
    chance, total = game.probabilities(table), np.zeros_like(table)
    for a in range(len(chance)):
        for b in range(len(chance)):
            ours = followed(
                game, table, reference, objective, betas=(0.5, 0.25), rows=[a, b], samples=samples
            )
            total += chance[a] * chance[b] * ours
    stated = (game.scores[:, 0], game.scores[:, 1])
    close(total, exact(game, table, reference, stated, (0.5, 0.25)))


# -- what is not: what it follows instead ---------------------------------------------------
def divergence(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """(P,) KL(one ‖ two) of the rows of two tables."""
    first, second = (t - np.log(np.exp(t).sum(axis=1, keepdims=True)) for t in (one, two))
    return (np.exp(first) * (first - second)).sum(axis=1)


@pytest.mark.parametrize("caps", [(1, 1), (2, 1), (1, 2)])
def test_k3_as_a_loss_follows_the_forward_kl(caps: tuple[int, int]) -> None:
    """KL(π_ref ‖ π) at every prefix that the policy itself comes to, not KL(π ‖ π_ref)."""
    game = Game(caps)
    table, reference = dyadic(game, 9), anything(game, 10)
    ours = followed(
        game, table, reference, Objective(kl="k3_loss"), lambda s: 0 * s, betas=(0.5, 0.5)
    )
    visits = game.visits(table)

    def forward(moved: np.ndarray, turn: int) -> float:
        return -0.5 * float((visits * divergence(reference, moved))[game.owner == turn].sum())

    close(ours, game.slope(forward, table))
    nothing = (0 * game.scores[:, 0], 0 * game.scores[:, 1])
    apart(ours, exact(game, table, reference, nothing, (0.5, 0.5)))


@pytest.mark.parametrize("kl", ["k2_reward", "k3_reward"])
@pytest.mark.parametrize("caps", CAPS)
def test_k2_and_k3_in_the_reward_are_rewards_like_any_other(
    caps: tuple[int, int], kl: KLTerm
) -> None:
    """They follow −β E[k ∇log π], with k a given number: not the gradient of the KL, although k3
    has its value."""
    game = Game(caps)
    table, reference = dyadic(game, 9), anything(game, 10)
    ours = followed(game, table, reference, Objective(kl=kl), lambda s: 0 * s, betas=(0.5, 0.5))
    k1 = game.logps(table) - game.logps(reference)
    k = game.turns(np.exp(-k1) - 1 + k1) if kl == "k3_reward" else game.turns(k1) ** 2 / 2
    rewards = (-0.5 * k[:, 0], -0.5 * k[:, 1])
    close(ours, exact(game, table, reference, rewards))
    nothing = (0 * k[:, 0], 0 * k[:, 1])
    apart(ours, exact(game, table, reference, nothing, (0.5, 0.5)))
    if kl == "k3_reward":
        chance = game.probabilities(table)
        np.testing.assert_allclose(chance @ k, chance @ game.turns(k1))


def test_dividing_by_the_deviation_cancels_a_factor_of_the_reward() -> None:
    """×11 changes the step 11-fold, and that of normalised groups not at all (ε aside)."""
    game = Game()
    table = dyadic(game, 1)

    def factor(advantage: str, times: float) -> np.ndarray:
        objective = Objective(advantage=advantage)  # type: ignore[arg-type]
        return followed(game, table, table, objective, lambda s: times * s)

    one, eleven = factor("leave_one_out", 1.0), factor("leave_one_out", 11.0)
    close(eleven, 11 * one)
    one, eleven = factor("group_normalised", 1.0), factor("group_normalised", 11.0)
    assert np.abs(eleven - one).max() < 0.002 * np.abs(one).max()


def test_normalised_groups_do_not_follow_the_reward() -> None:
    """Not even its direction: of two samples only the order is left, not the distance."""
    game = Game()
    table = dyadic(game, 1)
    ours = followed(game, table, table, Objective(advantage="group_normalised"))
    stated = exact(game, table, table, (game.scores[:, 0], game.scores[:, 1]))
    for turn in (0, 1):
        a, b = ours[game.owner == turn].ravel(), stated[game.owner == turn].ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) < 0.99


# -- PAPER, section 3: consequences of the equations -----------------------------------------
def test_the_bonus_weighs_the_second_turn_by_one_plus_alpha() -> None:
    """In expectation −α r(y₁) is a baseline: the step is that of (1 + α) r(y₂)."""
    game = Game()
    table = dyadic(game, 1)
    shaped = followed(game, table, table, Objective(), lambda s: progress_bonus(s, ALPHA))
    plain = followed(game, table, table, Objective())
    second = game.owner == 1
    close(shaped[second], 11 * plain[second])
    close(shaped[~second], plain[~second])
    close(shaped, followed(game, table, table, Objective(), lambda s: scale_later(s, 11.0)))


def test_a_baseline_within_one_first_attempt_cancels_it_sample_by_sample() -> None:
    game = Game()
    first = game.episodes[4][0]
    rows = [e for e, (y1, _) in enumerate(game.episodes) if y1 == first]
    rollout = game.rollout(rows, dyadic(game, 1), samples=len(rows))

    def advantages(rewards: torch.Tensor) -> torch.Tensor:
        batch = Batch(rollout=rollout, rewards=rewards, betas=(0, 0))
        return turn_advantages(batch, Objective())[:, 1]

    progress = advantages(progress_bonus(rollout.scores, ALPHA))
    torch.testing.assert_close(progress, advantages(scale_later(rollout.scores, 11.0)))
    torch.testing.assert_close(progress, 11 * advantages(rollout.scores))
    assert progress.abs().max() > 1


def test_normalising_cancels_alpha_where_samples_share_their_first_score() -> None:
    scores = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    with_alpha = group_normalised(progress_bonus(scores, ALPHA), 4)
    torch.testing.assert_close(with_alpha, group_normalised(scores, 4), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        leave_one_out(progress_bonus(scores, ALPHA), 4)[:, 1], 11 * leave_one_out(scores, 4)[:, 1]
    )


def test_a_kl_of_the_first_turn_in_the_reward_of_the_second_holds_nothing() -> None:
    """β₂ KL(y₁) in a number that multiplies ∇log π(y₂|x₂) alone is a baseline: it has no effect
    in expectation, neither on the first turn nor on the second. On y₁'s own tokens it has."""
    game = Game()
    table, reference = dyadic(game, 1), anything(game, 2)
    kl = game.turns(game.logps(table) - game.logps(reference))[:, 0]
    rows = game.pairs(table)
    misplaced = torch.stack([torch.zeros(len(rows)), torch.tensor(0.5 * kl[rows])], dim=1)
    nothing = followed(game, table, reference, Objective())
    close(followed(game, table, reference, Objective(), lambda s: s - misplaced), nothing)
    held = followed(game, table, reference, Objective(kl="k1_reward"), betas=(0.5, 0.0))
    apart(held[game.owner == 0], nothing[game.owner == 0])


# -- a larger game, sampled ----------------------------------------------------------------
def surprise(kl: KLTerm) -> float:
    """The largest |z| among the table's entries, of 60 batches of 256 problems × 4 samples."""
    game = Game((2, 2))
    table, reference = anything(game, 12), anything(game, 13)
    generator = torch.Generator().manual_seed(0)
    chance = torch.from_numpy(game.probabilities(table))
    rewards, betas, by_hand, betas_by_hand = STAGES["stage II"]
    objective = Objective(kl=kl, gamma=0.5)
    steps = []
    for _ in range(60):
        rows = torch.multinomial(chance, 1024, replacement=True, generator=generator).tolist()
        steps.append(followed(game, table, reference, objective, rewards, betas, rows, samples=4))
    stated = by_hand(game.scores[:, 0], game.scores[:, 1])
    expected = exact(game, table, reference, stated, betas_by_hand, 0.5)
    error = np.std(steps, axis=0, ddof=1) / np.sqrt(len(steps))
    return float(np.abs((np.mean(steps, axis=0) - expected) / error).max())


@pytest.mark.parametrize("kl", ["full_loss", "k1_reward", "k2_loss"])
def test_a_larger_game_agrees_within_the_error_of_sampling(kl: KLTerm) -> None:
    """Seeded. On another stream: |t| of 59 degrees of freedom is above 6 with probability 1.3e-7,
    so one of the 72 entries is with probability below 1e-5."""
    assert surprise(kl) < 6


def test_the_same_sample_tells_the_forward_kl_from_the_reverse() -> None:
    """The test above can fail: the k3 loss is found out by the same number of episodes."""
    assert surprise("k3_loss") > 6
