"""The on-policy update that the reinforcement-learning methods share: REINFORCE, turn by turn.

A method decides what a turn is rewarded with and how strongly it is held to the reference
(`Batch`); everything after that is here: returns, advantages, policy gradient, KL, step. What
an `Objective` leaves at its defaults is the paper's equations to the letter; each field
switches one thing to a choice of today's trainers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from selfcorrect_agents.checks import above_zero, among, at_least, check
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.rollout import Rollout, rollout_figures

KLTerm: TypeAlias = Literal[
    "full_loss", "k1_reward", "k2_reward", "k3_reward", "k2_loss", "k3_loss"
]
"""How ``β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t))`` enters; all of them act on turn t's own tokens.

- ``full_loss``: over the vocabulary at each sampled prefix, with the gradient through the prefixes;
  exact, and of least variance.
- ``k1_reward``: ``−β_t k1`` of turn t in turn t's return; the same gradient, sampled.
- ``k2_loss``: the same gradient as a loss, sampled.
- ``k2_reward``, ``k3_reward``, ``k3_loss``: what other trainers offer. Their gradients are *not*
  the KL's: ``k3_loss`` follows the forward KL(π_ref ‖ π).

``k1_loss`` does not exist: its expected gradient is zero.
"""

AdvantageKind: TypeAlias = Literal["leave_one_out", "batch_mean", "group_normalised"]
"""What a return is compared with; see the functions of these names in `objectives`."""

Unit: TypeAlias = Literal["sequence", "token"]
"""Whose probability ratio is taken, and what the loss is a mean over: whole turns (the
equations' π(y_t|x_t)), or tokens (every token weighs the same, however long its turn)."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How a batch becomes a loss: ``−E Σ_t [ A_t log π − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]``."""

    gamma: float = 0.0
    """Discount across turns, in [0, 1]; 0 credits each turn with its own reward (appendix A.2)."""
    kl: KLTerm = "full_loss"
    """How the KL to the base policy enters the objective."""
    advantage: AdvantageKind = "leave_one_out"
    """The baseline of a return: a problem's other samples, the batch, or GRPO's normalisation."""
    unit: Unit = "sequence"
    """Whose log-probabilities are units of the loss: whole turns (the equations'), or tokens."""
    clip: float | None = None
    """PPO's ε, > 0; it acts only with epochs > 1 and is refused without. None: REINFORCE."""
    importance_cap: float | None = None
    """Cap ≥ 1 of the importance weights of samples that another policy drew; None for none."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        check(0 <= self.gamma <= 1, "gamma", "in [0, 1]", self.gamma)
        check_kl_term(self.kl)
        among(self, "advantage", get_args(AdvantageKind))
        among(self, "unit", get_args(Unit))
        if self.clip is not None:
            above_zero(self, "clip")
        if self.importance_cap is not None:
            at_least(self, 1, "importance_cap")
            check(self.clip is None, "importance_cap", "None if clip is set", self.importance_cap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Episodes with what a method makes of them."""

    rollout: Rollout
    """B episodes of K turns."""
    rewards: Tensor
    """(B, K) what each turn is rewarded with, shaping included."""
    betas: Sequence[float]
    """(K,) ``β_t`` of each turn, ≥ 0."""

    def __post_init__(self) -> None:
        if len(self.betas) != self.rollout.turns:
            raise ValueError(
                f"The batch has {len(self.betas)} betas and its episodes {self.rollout.turns} "
                "turns; give one coefficient for each turn."
            )


@dataclass(frozen=True, slots=True)
class Scores:
    """How the policy and its reference see the sampled tokens of a rollout (or a part of it)."""

    logps: Tensor
    """(B, C) ``log π_θ`` of each sampled token, with gradient."""
    ref_logps: Tensor
    """(B, C) ``log π_ref`` of each sampled token; constants."""
    kl: Tensor
    """(B, C) KL over the full vocabulary at each sampled prefix, with gradient."""
    entropy: Tensor
    """(B, C) entropy of the next-token distributions, in nats; no gradient."""


def score(policy: Policy, reference: Policy, rollout: Rollout, rows: slice) -> Scores:
    """Score rows of a rollout: one forward pass of each model over the whole episodes.

    π is what the tokens were drawn from: the model at the rollout's temperature. Padding holds
    anything; `Rollout.turn_sum` leaves it out.
    """
    ids, attention = rollout.ids[rows], rollout.attention_mask[rows]
    sampled = ids[:, rollout.columns]
    logits = policy.logits(ids, attention, rollout.columns) / rollout.temperature
    with torch.no_grad():
        ref_logits = reference.logits(ids, attention, rollout.columns) / rollout.temperature
        entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
    return Scores(
        logps=objectives.token_logps(logits, sampled),
        ref_logps=objectives.token_logps(ref_logits, sampled),
        kl=objectives.kl_full(logits, ref_logits),
        entropy=entropy,
    )


def update(
    policy: Policy,
    reference: Policy,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Batch],
    objective: Objective,
    *,
    epochs: int = 1,
    max_grad_norm: float = 1.0,
    rows_per_forward: int | None = None,
) -> dict[str, float]:
    """Take ``epochs`` optimiser steps on the batches of one training step.

    Args:
        policy: the policy that sampled the rollouts; it is changed.
        reference: π_ref, fixed.
        optimizer: over the policy's parameters.
        batches: one or more; their episodes count alike. The figures are the first one's.
        objective: how they become a loss.
        epochs: optimiser steps on these same episodes, ≥ 1.
        max_grad_norm: the gradient's norm is clipped to this.
        rows_per_forward: episodes in one forward pass (gradients add up to those of the
            whole batch); None takes all at once.

    Returns:
        Figures for the log; each key is explained in `LOGGED`.

    Raises:
        RuntimeError: the gradient is not finite; no step was taken on it.
    """
    count = sum(int(batch.rollout.judged.sum()) for batch in batches)
    unjudged = sum(int((~batch.rollout.judged).sum()) for batch in batches)
    if count == 0:
        return {"train/unjudged": float(unjudged), "train/skipped": 1.0}
    advantages = [
        turn_advantages(batch, objective, _penalty(policy, reference, batch, objective))
        for batch in batches
    ]
    length = mean_length(batches)
    size = rows_per_forward or max(len(batch.rewards) for batch in batches)
    first: list[Scores] = []
    norm = torch.zeros(())
    for epoch in range(epochs):
        optimizer.zero_grad()
        for i, batch in enumerate(batches):
            for start in range(0, len(batch.rewards), size):
                rows = slice(start, start + size)
                part = score(policy, reference, batch.rollout, rows)
                loss = batch_loss(part, batch, advantages[i], objective, rows, length)
                (loss * (int(batch.rollout.judged[rows].sum()) / count)).backward()
                if epoch == 0 and i == 0:
                    first.append(part)
        norm = torch.nn.utils.clip_grad_norm_(
            policy.model.parameters(), max_grad_norm, error_if_nonfinite=True
        )
        optimizer.step()
    return _figures(batches[0], advantages[0], first) | {
        "train/grad_norm": float(norm),
        "train/unjudged": float(unjudged),
    }


def turn_advantages(batch: Batch, objective: Objective, penalty: Tensor | float = 0.0) -> Tensor:
    """(B, K) advantage of each turn: its discounted return, less its KL penalty, compared.

    Args:
        batch: episodes and rewards.
        objective: the discount, and what a return is compared with.
        penalty: (B, K) KL in the reward, ``β_t k``; it stays with its own turn.
    """
    rollout = batch.rollout
    returns = objectives.reward_to_go(batch.rewards, objective.gamma) - penalty
    if objective.advantage == "batch_mean":
        return objectives.batch_mean(returns, rollout.judged)
    if objective.advantage == "group_normalised":
        return objectives.group_normalised(returns, rollout.samples, rollout.judged)
    return objectives.leave_one_out(returns, rollout.samples, rollout.judged)


def batch_loss(
    scores: Scores,
    batch: Batch,
    advantages: Tensor,
    objective: Objective,
    rows: slice,
    length: Tensor | None = None,
) -> Tensor:
    """Return the scalar loss of some rows of a batch: policy gradient and KL.

    Args:
        scores: of these rows.
        batch: the whole batch.
        advantages: (B, K) of the whole batch.
        objective: how it becomes a loss.
        rows: which rows.
        length: what the loss of ``unit="token"`` is divided by: tokens of an episode on average;
            by default of this batch's.
    """
    rollout = batch.rollout
    valid, advantages = rollout.judged[rows], advantages[rows].detach()
    logps, behaviour = scores.logps, rollout.logps[rows]
    if objective.unit == "sequence":
        logps, behaviour = rollout.turn_sum(logps, rows), rollout.turn_sum(behaviour, rows)
        gain = _surrogate(logps, behaviour, advantages, objective)
    else:
        gain = _surrogate(logps, behaviour, advantages[:, rollout.turn], objective)
        gain = torch.where(rollout.mask[rows], gain, 0.0)
    loss = objectives.policy_gradient_loss(gain, valid)
    where, estimate = _kl_place(objective.kl)
    if where == "loss":
        betas = torch.tensor(batch.betas, device=logps.device)
        loss = loss + objectives.kl_loss(turn_kl(scores, rollout, estimate, rows), betas, valid)
    if objective.unit == "sequence":
        return loss
    return loss / (mean_length([batch]) if length is None else length)


def mean_length(batches: Sequence[Batch]) -> Tensor:
    """Return the number of sampled tokens of a judged episode, on average over all batches."""
    judged = [batch.rollout.mask[batch.rollout.judged] for batch in batches]
    tokens = torch.stack([mask.sum() for mask in judged]).sum()
    return tokens / max(1, sum(len(mask) for mask in judged))


def turn_kl(scores: Scores, rollout: Rollout, estimate: str, rows: slice) -> Tensor:
    """(B, K) an estimate of each turn's KL to the reference: ``full``, ``k1``, ``k2``, ``k3``."""
    if estimate == "full":
        later = rollout.later_in_turn(scores.kl, rows)
        return rollout.turn_sum(objectives.kl_with_prefixes(scores.kl, later, scores.logps), rows)
    if estimate == "k3":
        return rollout.turn_sum(objectives.kl_k3(scores.logps, scores.ref_logps), rows)
    logps, ref = rollout.turn_sum(scores.logps, rows), rollout.turn_sum(scores.ref_logps, rows)
    return (objectives.kl_k1 if estimate == "k1" else objectives.kl_k2)(logps, ref)


def check_kl_term(kl: str) -> None:
    """Refuse a KL term that does not exist, saying why.

    Raises:
        ValueError: it is none of `KLTerm`.
    """
    if kl == "k1_loss":
        raise ValueError(
            "kl='k1_loss' would teach nothing: the expected gradient of k1 as a loss is zero. "
            "Take 'k1_reward' or 'k2_loss', which follow the KL's gradient, or 'full_loss'."
        )
    if kl not in get_args(KLTerm):
        raise ValueError(f"kl must be one of {', '.join(get_args(KLTerm))}; got {kl!r}.")


def _surrogate(
    logps: Tensor, behaviour: Tensor, advantages: Tensor, objective: Objective
) -> Tensor:
    if objective.clip is not None:
        return objectives.clipped_surrogate(logps, behaviour, advantages, objective.clip)
    if objective.importance_cap is not None:
        cap = objective.importance_cap
        return objectives.truncated_importance(logps, behaviour, advantages, cap)
    return advantages * logps


def _kl_place(kl: KLTerm) -> tuple[str, str]:
    estimate, _, where = kl.partition("_")
    return where, estimate


@torch.no_grad()
def _penalty(
    policy: Policy, reference: Policy, batch: Batch, objective: Objective
) -> Tensor | float:
    """``β_t k`` of every turn, where the KL is part of the reward; else 0."""
    where, estimate = _kl_place(objective.kl)
    if where != "reward":
        return 0.0
    scores = score(policy, reference, batch.rollout, slice(None))
    betas = torch.tensor(batch.betas, device=batch.rewards.device)
    return betas * turn_kl(scores, batch.rollout, estimate, slice(None))


LOGGED = {
    "episodes": "training episodes that were sampled so far",
    "tokens": "tokens that were sampled in them so far",
    "t{t}/accuracy": "share of judged episodes whose turn t scored 1",
    "t{t}/reward": "mean reward of turn t, shaping included",
    "t{t}/kl": "mean KL(π_θ ‖ π_ref) of turn t's tokens, summed over the turn, in nats",
    "t{t}/entropy": "mean entropy of turn t's token distributions, summed over the turn, in nats",
    "t{t}/tokens": "mean number of sampled tokens in turn t",
    "t{t}/truncated": "share of turn t's replies that the token cap cut off",
    "delta": "Accuracy@t2 − Accuracy@t1 of the batch",
    "unchanged": "share of judged episodes whose last answer equals the first",
    "train/grad_norm": "norm of the gradient before clipping (of the last epoch)",
    "train/zero_advantage": "share of (episode, turn) pairs with advantage 0: they teach nothing",
    "train/unjudged": "episodes left out because the verifier failed",
    "train/skipped": "1 where no episode of the batch could be judged: no step was taken, and only "
    "this and train/unjudged are logged",
}
"""What the keys of the log mean; ``{t}`` counts turns from 1."""


def _figures(batch: Batch, advantages: Tensor, parts: list[Scores]) -> dict[str, float]:
    rollout = batch.rollout
    valid = rollout.judged

    def mean(values: list[Tensor]) -> Tensor:
        return objectives.mean_of_valid(rollout.turn_sum(torch.cat(values)), valid)

    per_turn = {
        "reward": objectives.mean_of_valid(batch.rewards, valid),
        "kl": mean([part.kl.detach() for part in parts]),
        "entropy": mean([part.entropy for part in parts]),
    }
    figures = {
        f"t{turn + 1}/{name}": float(values[turn])
        for turn in range(rollout.turns)
        for name, values in per_turn.items()
    }
    zero = float((advantages[valid] == 0).float().mean()) if bool(valid.any()) else 1.0
    return rollout_figures(rollout) | figures | {"train/zero_advantage": zero}
