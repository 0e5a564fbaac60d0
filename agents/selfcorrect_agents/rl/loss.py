"""The loss of the reinforcement-learning methods: the paper's equations 2 to 5 in one formula.

    −E Σ_t [ A_t log π_θ(y_t|x_t) − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]

A method decides the reward of each turn and its KL coefficient: `Batch`.
For SCoRe (two turns) that is

    stage I   R = (0, r(y_2))                                 β = (β_1 + β_2, β_1)
    stage II  R = (r(y_1), r(y_2) + α (r(y_2) − r(y_1)))      β = (β_1, β_1)

and A_t is R_t less the mean of the other samples' R_t. An `Objective` with its defaults is exactly
this formula; each field switches one part to an alternative of other trainers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.config import KLTerm, Objective, kl_is_in
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.scoring import Scores, micro_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Episodes with the method's rewards and KL coefficients."""

    rollout: Rollout
    """B episodes of K turns."""
    rewards: Tensor
    """(B, K) reward of each turn, shaping included."""
    betas: Sequence[float]
    """(K,) ``β_t`` of each turn, ≥ 0."""
    roles: Sequence[int] | None = None
    """(K,) the role of each turn, whose advantages are normalised over all turns of that role;
    None leaves advantages as they are."""

    def __post_init__(self) -> None:
        if len(self.betas) != self.rollout.turns:
            raise ValueError(
                f"The batch has {len(self.betas)} betas and its episodes {self.rollout.turns} "
                "turns; give one coefficient for each turn."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A batch, or some of its episodes, as the loss needs it."""

    rollout: Rollout
    """b episodes."""
    advantages: Tensor
    """(b, K) advantage of each turn; constants."""
    betas: Tensor
    """(K,) ``β_t``."""

    @classmethod
    def of(cls, batch: Batch, objective: Objective, penalty: Tensor | float = 0.0) -> Part:
        """Return the whole batch as one part; ``penalty`` as in `turn_advantages`."""
        advantages = turn_advantages(batch, objective, penalty).detach()
        betas = torch.tensor(batch.betas, device=advantages.device)
        return cls(rollout=batch.rollout, advantages=advantages, betas=betas)

    def split(self, tokens: int | None) -> Iterator[Part]:
        """Yield parts of at most ``tokens`` tokens (`micro_batches`); None yields this one."""
        for some in micro_batches(self.rollout, tokens):
            yield Part(
                rollout=self.rollout[some], advantages=self.advantages[some], betas=self.betas
            )


def loss(
    scores: Scores, part: Part, objective: Objective, tokens_per_episode: Tensor | None = None
) -> Tensor:
    """Return the scalar loss of a part: policy gradient and KL, mean over its judged episodes.

    Args:
        scores: of the part's rollout.
        part: episodes, advantages, coefficients.
        objective: how they become a loss.
        tokens_per_episode: with ``unit="token"``, the mean number of sampled tokens of an episode
            of the whole batch, which the loss is divided by; by default the part's own.
    """
    rollout = part.rollout
    gain = policy_gain(scores.logps, part, objective)
    total = objectives.policy_gradient_loss(gain, rollout.judged)
    if kl_is_in(objective.kl, "loss"):
        kl = turn_kl(scores, rollout, objective.kl)
        total = total + objectives.kl_loss(kl, part.betas, rollout.judged)
    if objective.unit == "sequence":
        return total
    return total / (mean_length([rollout]) if tokens_per_episode is None else tokens_per_episode)


def policy_gain(logps: Tensor, part: Part, objective: Objective) -> Tensor:
    """``A_t log π(y_t|x_t)`` of each turn, (b, K); or of each token, (b, C), by ``unit``.

    With ``clip`` or ``importance_cap`` it is the surrogate that corrects for samples of another
    policy. ``logps`` are (b, C).
    """
    rollout = part.rollout
    behaviour, advantages = rollout.logps, part.advantages
    if objective.unit == "sequence":
        logps, behaviour = rollout.turn_sum(logps), rollout.turn_sum(behaviour)
    else:
        advantages = advantages[:, rollout.turn]
    if objective.clip is not None:
        gain = objectives.clipped_surrogate(logps, behaviour, advantages, objective.clip)
    elif objective.importance_cap is not None:
        cap = objective.importance_cap
        gain = objectives.truncated_importance(logps, behaviour, advantages, cap)
    else:
        gain = advantages * logps
    return gain if objective.unit == "sequence" else torch.where(rollout.mask, gain, 0.0)


def turn_kl(scores: Scores, rollout: Rollout, kl: KLTerm) -> Tensor:
    """(b, K) the estimate of each turn's KL to the reference that ``kl`` names."""
    estimate = kl.partition("_")[0]
    if estimate == "full":
        later = rollout.later_in_turn(scores.kl)
        return rollout.turn_sum(objectives.kl_with_prefixes(scores.kl, later, scores.logps))
    if estimate == "k3":
        return rollout.turn_sum(objectives.kl_k3(scores.logps, scores.ref_logps))
    logps, ref_logps = rollout.turn_sum(scores.logps), rollout.turn_sum(scores.ref_logps)
    return (objectives.kl_k1 if estimate == "k1" else objectives.kl_k2)(logps, ref_logps)


def turn_advantages(batch: Batch, objective: Objective, penalty: Tensor | float = 0.0) -> Tensor:
    """(B, K) advantage of each turn: its discounted return less its KL penalty, against a baseline.

    Args:
        batch: episodes and rewards.
        objective: the discount and the kind of advantage.
        penalty: (B, K) KL in the reward, ``β_t k``; it affects its own turn only.
    """
    rollout = batch.rollout
    valid = rollout.judged[:, None] & rollout.taken
    returns = objectives.reward_to_go(batch.rewards, objective.gamma) - penalty
    if objective.advantage == "batch_mean":
        advantages = objectives.batch_mean(returns, valid)
    elif objective.advantage == "group_normalised":
        advantages = objectives.group_normalised(returns, rollout.samples, valid)
    else:
        advantages = objectives.leave_one_out(returns, rollout.samples, valid)
    if batch.roles is None:
        return advantages
    return objectives.role_normalised(advantages, batch.roles, valid)


def mean_length(rollouts: Sequence[Rollout]) -> Tensor:
    """Return the mean number of sampled tokens of a judged episode, over all rollouts."""
    judged = [rollout.mask[rollout.judged] for rollout in rollouts]
    tokens = torch.stack([mask.sum() for mask in judged]).sum()
    return tokens / max(1, sum(len(mask) for mask in judged))
