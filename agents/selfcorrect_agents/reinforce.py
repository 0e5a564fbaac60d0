"""The on-policy update that the reinforcement-learning methods share: REINFORCE, turn by turn.

A method decides what a turn is rewarded with and how strongly it is held to the reference;
everything after that is here: returns, leave-one-out advantages, policy gradient, KL, step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from selfcorrect_agents import objectives
from selfcorrect_agents.policy import Policy
from selfcorrect_agents.rollout import Rollout

KLTerm: TypeAlias = Literal["full_loss", "k1_reward", "k2_loss"]
"""How ``β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t))`` enters; all three act on turn t's own tokens.

- ``full_loss``: over the vocabulary at each sampled prefix; least variance. Prefixes are taken
  as given, so beyond a turn's first token this is not quite the gradient of the turn's KL.
- ``k1_reward``: ``−β_t k1`` of turn t in turn t's return; the KL's gradient, sampled.
- ``k2_loss``: the same gradient as a loss.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What one update maximises: ``E Σ_t [ R_t − β_t KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) ]``."""

    betas: Sequence[float]
    """(K,) ``β_t`` of each turn, ≥ 0."""
    gamma: float = 0.0
    """Discount across turns; 0 credits each turn with its own reward (appendix A.2)."""
    kl: KLTerm = "full_loss"
    """How the KL enters."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How the policy and its reference see the sampled tokens of a rollout (or a part of it)."""

    logps: Tensor
    """(B, K) ``log π_θ(y_t | x_t)``, with gradient."""
    ref_logps: Tensor
    """(B, K) ``log π_ref(y_t | x_t)``; constants."""
    kl: Tensor
    """(B, K) ``Σ_tokens KL`` over the full vocabulary, with gradient."""
    entropy: Tensor
    """(B, K) summed entropy of the next-token distributions, in nats; no gradient."""


def score(policy: Policy, reference: Policy, rollout: Rollout, rows: slice) -> Scores:
    """Score rows of a rollout: one forward pass of each model over the whole episodes.

    π is what the tokens were drawn from: the model at the rollout's temperature.
    """
    ids, attention = rollout.ids[rows], rollout.attention_mask[rows]
    sampled = ids[:, rollout.columns]
    logits = policy.logits(ids, attention, rollout.columns) / rollout.temperature
    with torch.no_grad():
        ref_logits = reference.logits(ids, attention, rollout.columns) / rollout.temperature
        distribution = torch.distributions.Categorical(logits=logits.detach())
        entropy = distribution.entropy()
    logps = objectives.token_logps(logits, sampled)
    ref_logps = objectives.token_logps(ref_logits, sampled)

    def turn_sum(values: Tensor) -> Tensor:
        return rollout.turn_sum(values, rows)

    return Scores(
        logps=turn_sum(logps),
        ref_logps=turn_sum(ref_logps),
        kl=turn_sum(objectives.kl_full(logits, ref_logits)),
        entropy=turn_sum(entropy),
    )


def update(
    policy: Policy,
    reference: Policy,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    rewards: Tensor,
    objective: Objective,
    *,
    max_grad_norm: float = 1.0,
    rows_per_forward: int | None = None,
) -> dict[str, float]:
    """Take one optimiser step on an on-policy rollout.

    Args:
        policy: the policy that sampled the rollout; it is changed.
        reference: π_ref, fixed.
        optimizer: over the policy's parameters.
        rollout: B episodes of K turns.
        rewards: (B, K) what each turn is rewarded with.
        objective: coefficients of the KL and of credit across turns.
        max_grad_norm: the gradient's norm is clipped to this.
        rows_per_forward: episodes in one forward pass (gradients add up to those of the
            whole batch); None takes all at once.

    Returns:
        Figures for the log; each key is explained in `LOGGED`.

    Raises:
        ValueError: the objective has another number of ``betas`` than the rollout has turns.
        RuntimeError: the gradient is not finite; the weights are as they were.
    """
    if len(objective.betas) != rollout.turns:
        raise ValueError(
            f"The objective has {len(objective.betas)} betas and the episodes {rollout.turns} "
            "turns; give one coefficient for each turn."
        )
    valid = rollout.judged
    count = int(valid.sum())
    if count == 0:
        return {"train/unjudged": float(len(valid)), "train/skipped": 1.0}
    betas = torch.tensor(objective.betas, device=rewards.device)
    returns = objectives.reward_to_go(rewards, objective.gamma)
    advantages = objectives.leave_one_out(returns, rollout.samples, valid)
    optimizer.zero_grad()
    parts: list[Scores] = []
    size = rows_per_forward or len(rewards)
    for first in range(0, len(rewards), size):
        rows = slice(first, first + size)
        part = score(policy, reference, rollout, rows)
        loss = _loss(part, advantages[rows], betas, valid[rows], objective.kl)
        (loss * (int(valid[rows].sum()) / count)).backward()
        parts.append(part)
    norm = torch.nn.utils.clip_grad_norm_(
        policy.model.parameters(), max_grad_norm, error_if_nonfinite=True
    )
    optimizer.step()
    return _figures(rollout, rewards, advantages, parts, norm)


def _loss(scores: Scores, advantages: Tensor, betas: Tensor, valid: Tensor, kl: KLTerm) -> Tensor:
    if kl == "k1_reward":
        k1 = objectives.kl_k1(scores.logps.detach(), scores.ref_logps)
        advantages = advantages - betas * k1
    loss = objectives.policy_gradient_loss(scores.logps, advantages, valid)
    if kl == "full_loss":
        loss = loss + objectives.kl_loss(scores.kl, betas, valid)
    elif kl == "k2_loss":
        k2 = objectives.kl_k2(scores.logps, scores.ref_logps)
        loss = loss + objectives.kl_loss(k2, betas, valid)
    return loss


LOGGED = {
    "t{t}/accuracy": "share of judged episodes whose turn t scored 1",
    "t{t}/reward": "mean reward of turn t, shaping included",
    "t{t}/kl": "mean KL(π_θ ‖ π_ref) of turn t's tokens, summed over the turn, in nats",
    "t{t}/entropy": "mean entropy of turn t's token distributions, summed over the turn, in nats",
    "t{t}/tokens": "mean number of sampled tokens in turn t",
    "t{t}/truncated": "share of turn t's replies that the token cap cut off",
    "delta": "Accuracy@t2 − Accuracy@t1 of the batch",
    "unchanged": "share of judged episodes whose last answer equals the first",
    "train/grad_norm": "norm of the gradient before clipping",
    "train/zero_advantage": "share of (episode, turn) pairs with advantage 0: they teach nothing",
    "train/unjudged": "episodes left out because the verifier failed",
    "train/skipped": "1 where no episode of the batch could be judged: no step was taken, and only "
    "this and train/unjudged are logged",
}
"""What the keys of the log mean; ``{t}`` counts turns from 1."""


def _figures(
    rollout: Rollout, rewards: Tensor, advantages: Tensor, parts: list[Scores], norm: Tensor
) -> dict[str, float]:
    valid = rollout.judged
    accuracy = objectives.mean_of_valid((rollout.scores >= 1.0).float(), valid)
    per_turn = {
        "accuracy": accuracy,
        "reward": objectives.mean_of_valid(rewards, valid),
        "kl": objectives.mean_of_valid(torch.cat([p.kl.detach() for p in parts]), valid),
        "entropy": objectives.mean_of_valid(torch.cat([p.entropy for p in parts]), valid),
        "tokens": objectives.mean_of_valid(rollout.turn_sum(torch.ones_like(rollout.logps)), valid),
        "truncated": _share_truncated(rollout),
    }
    figures = {
        f"t{turn + 1}/{name}": float(values[turn])
        for turn in range(rollout.turns)
        for name, values in per_turn.items()
    }
    judged = [episode for episode in rollout.episodes if episode.judged]
    same = [e.attempts[0].verdict.answer == e.attempts[-1].verdict.answer for e in judged]
    return figures | {
        "delta": float(accuracy[-1] - accuracy[0]),
        "unchanged": sum(same) / len(same),
        "train/grad_norm": float(norm),
        "train/zero_advantage": float((advantages[valid] == 0).float().mean()),
        "train/unjudged": float((~valid).sum()),
    }


def _share_truncated(rollout: Rollout) -> Tensor:
    cut = [[bool(a.truncated) for a in episode.attempts] for episode in rollout.episodes]
    return torch.tensor(cut, dtype=torch.float32).mean(dim=0)
