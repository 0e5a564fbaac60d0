"""A check, before the first step, that each reward reaches the right turns and no others.

If the loss treats the reward as a constant, or the bonus leaks into the first attempt, training
raises no error and learns nothing or the wrong thing. So this module differentiates the loss
itself, with random scores, on the episodes of the first step, and again on those of a later one if
a turn can be compared there for the first time. The KL is left out: a method can
only give one coefficient for each turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from selfcorrect_agents.errors import CreditError
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.training_mode import recomputing
from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.config import Objective
from selfcorrect_agents.rl.loss import Batch, Part, loss
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.scoring import Scores, score, score_in_parts

Rewards: TypeAlias = Callable[[Tensor], Tensor]
"""(B, K) scores ``r(y_t, y*)`` -> (B, K) what each turn is rewarded with."""

Reach: TypeAlias = Sequence[Sequence[int]]
"""``reach[s]``: the turns (from 0) whose tokens the score of turn s should train."""


def own_turn(turns: int) -> Reach:
    """Return the reach where each score trains its own turn only."""
    return [[turn] for turn in range(turns)]


def discounted(reach: Reach, gamma: float) -> Reach:
    """Return ``reach`` with earlier turns added, if later rewards also credit them (γ > 0)."""
    if gamma == 0:
        return reach
    return [sorted({t for last in turns for t in range(last + 1)}) for turns in reach]


def check_credit(
    policy: Policy,
    rollout: Rollout,
    rewards: Rewards,
    reach: Reach,
    objective: Objective,
    tokens_per_forward: int | None = None,
) -> None:
    """Differentiate the loss, and compare which turns each score trains with ``reach``.

    The scores of one turn are replaced by others, and the loss's gradient is compared before
    and after: at every sampled token's log-probability, and at the model's parameters. Nothing
    is changed, and no random numbers of the run are drawn. A score that changes rewards, of which
    the discounted sum stays as it was (SCoRe's first attempt at γ = 1 / α), need not train the
    turn.

    Args:
        policy: the policy to be trained.
        rollout: episodes that it sampled. Two problems are enough, and those are taken in which
            the most turns can be compared (`comparable_turns`).
        rewards: the method's rewards as a function of the scores.
        reach: which turns each score should train (`discounted` if γ > 0).
        objective: how a batch becomes a loss.
        tokens_per_forward: tokens in one forward pass, as in `micro_batches`; None takes all at
            once.

    Raises:
        CreditError: a score trains other turns, or none; the message names them.
    """
    rollout = rollout.of_problems(_two_problems(rollout))
    rollout = replace(rollout, judged=torch.ones_like(rollout.judged))
    logps = score_in_parts(policy, policy, rollout, tokens_per_forward).logps
    generator = torch.Generator().manual_seed(0)
    made_up = torch.rand(rollout.scores.shape, generator=generator).to(rollout.scores.device)
    comparable = comparable_turns(rollout)
    given = rewards(made_up)
    before = _gradient(logps, rollout, given, objective)
    for turn, expected in enumerate(reach):
        changed = made_up.clone()
        changed[:, turn] = torch.rand(len(changed), generator=generator).to(changed.device)
        others = rewards(changed)
        moved = _gradient(logps, rollout, others, objective) - before
        found = {int(t) for t in rollout.turn[(moved.abs() > 1e-9).any(dim=0)]}
        wanted = set(expected) & comparable - _cancelled(given, others, objective.gamma)
        if not wanted <= found <= set(expected):
            raise CreditError(
                f"The score of attempt {turn + 1} should train {_name(wanted)} but trains "
                f"{_name(found)}: no step was taken. If that is meant, declare it by "
                f"reach[{turn}] = {sorted(found)}, turns from 0; else the rewards or the loss are "
                "wrong."
            )
        if wanted and not _arrives(policy, rollout, moved):
            raise CreditError(
                f"The score of attempt {turn + 1} reaches no parameter of the model: are its "
                "weights frozen, or its log-probabilities detached? No step was taken."
            )


def _cancelled(before: Tensor, after: Tensor, gamma: float) -> set[int]:
    """Turns of which a reward changed, their own or a later one, and the discounted sum did not."""
    if gamma == 0:
        return set()
    moved = (after - before).double()
    negligible = 1e-5 * max(1.0, float(before.abs().max()))
    changed = moved.abs().flip(1).cummax(dim=1).values.flip(1) > negligible
    sums = objectives.reward_to_go(moved, gamma).abs() > negligible
    return set((changed.any(dim=0) & ~sums.any(dim=0)).nonzero()[:, 0].tolist())


def comparable_turns(rollout: Rollout) -> set[int]:
    """Return the turns that two samples of a problem took, so that their rewards are compared."""
    return set(_comparable(rollout).any(dim=0).nonzero()[:, 0].tolist())


def _comparable(rollout: Rollout) -> Tensor:
    """(P, K) bool: whether at least two samples of a problem took a turn."""
    return rollout.taken.view(-1, rollout.samples, rollout.turns).sum(dim=1) >= 2


def _two_problems(rollout: Rollout) -> list[int]:
    """Return the indices of two problems, in which the most turns can be compared."""
    counts = _comparable(rollout).sum(dim=1).tolist()
    return sorted(sorted(range(len(counts)), key=lambda problem: -counts[problem])[:2])


def _arrives(policy: Policy, rollout: Rollout, gradient: Tensor) -> bool:
    """Whether a gradient at the log-probabilities reaches a weight, by the row it is largest in."""
    row = int(gradient.abs().sum(dim=1).argmax())
    weights = list(policy.trainable().values())
    with recomputing(policy.model):
        logps = score(policy, policy, rollout[row : row + 1], kl_gradient=False).logps
        if not weights or not logps.requires_grad:
            return False
        parts = torch.autograd.grad(logps, weights, gradient[row : row + 1], allow_unused=True)
    return any(part is not None and bool(part.abs().sum() > 0) for part in parts)


def _gradient(logps: Tensor, rollout: Rollout, rewards: Tensor, objective: Objective) -> Tensor:
    """(B, C): the loss's gradient at each sampled token's log-probability, without the KL."""
    leaf, nothing = logps.detach().requires_grad_(), torch.zeros_like(logps)
    scores = Scores(logps=leaf, ref_logps=logps.detach(), kl=nothing, entropy=nothing)
    batch = Batch(rollout=rollout, rewards=rewards, betas=[0.0] * rollout.turns)
    plain = replace(objective, kl="k1_reward")  # a KL of coefficient 0, outside the loss
    total = loss(scores, Part.of(batch, plain), plain)
    (gradient,) = torch.autograd.grad(total, leaf)
    return torch.where(rollout.mask, gradient, 0.0)


def _name(turns: set[int]) -> str:
    listed = " and ".join(f"attempt {turn + 1}" for turn in sorted(turns))
    return listed or "no attempt"
