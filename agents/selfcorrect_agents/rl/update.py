"""`update`: the optimiser steps of one training step, and the metrics that are logged for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from selfcorrect_agents.lm.learner import Learner
from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.config import Objective, kl_is_in
from selfcorrect_agents.rl.loss import Batch, Part, loss, mean_length, turn_kl
from selfcorrect_agents.rl.rollout import Rollout, rollout_metrics
from selfcorrect_agents.rl.scoring import Scorer, Scores, score, score_in_parts


def update(
    policy: Scorer,
    reference: Scorer,
    learner: Learner,
    batches: Sequence[Batch],
    objective: Objective,
    *,
    epochs: int = 1,
    tokens_per_forward: int | None = None,
) -> dict[str, float]:
    """Take ``epochs`` optimiser steps on the batches of one training step.

    Args:
        policy: the policy that sampled the rollouts; it is changed.
        reference: π_ref, fixed.
        learner: over the policy's weights.
        batches: one or more; every episode has the same weight. The metrics are the first one's.
        objective: how a batch becomes a loss.
        epochs: optimiser steps on these same episodes, ≥ 1.
        tokens_per_forward: tokens in one forward pass, as in `micro_batches` (gradients add up to
            those of the whole batch); None takes all at once.

    Returns:
        Metrics for the log; each key is explained in `LOGGED`. Those of turns are missing if no
        episode of the first batch was judged.

    Raises:
        RuntimeError: the gradient is not finite; no step was taken on it.
    """
    rollouts = [batch.rollout for batch in batches]
    judged = sum(int(rollout.judged.sum()) for rollout in rollouts)
    unjudged = sum(map(len, rollouts)) - judged
    if judged == 0:
        return {"train/unjudged": float(unjudged), "train/skipped": 1.0}
    parts = [
        Part.of(batch, objective, _penalty(policy, reference, batch, objective, tokens_per_forward))
        for batch in batches
    ]
    length = mean_length(rollouts)
    seen, kl_gradient = _Seen(rollouts[0]), objective.kl == "full_loss"

    def losses(epoch: int) -> Iterator[Tensor]:
        for i, whole in enumerate(parts):
            for part in whole.split(tokens_per_forward):
                counted = int(part.rollout.judged.sum())
                if counted == 0:
                    continue
                scores = score(policy, reference, part.rollout, kl_gradient=kl_gradient)
                if epoch == 0 and i == 0:
                    seen.add(part.rollout, scores)
                yield loss(scores, part, objective, length) * (counted / judged)

    norms = [learner.step(losses(epoch)) for epoch in range(epochs)]
    return _metrics(batches[0], parts[0], seen) | {
        "train/grad_norm": norms[-1],
        "train/clipped": sum(map(learner.clips, norms)) / epochs,
        "train/unjudged": float(unjudged),
        "train/gradient_tokens": float(
            epochs * sum(int(batch.rollout.attention_mask.sum()) for batch in batches)
        ),
    }


def _penalty(
    policy: Scorer, reference: Scorer, batch: Batch, objective: Objective, tokens: int | None
) -> Tensor | float:
    """``β_t k`` of every turn, (B, K), where the KL is part of the reward; else 0."""
    if not kl_is_in(objective.kl, "reward"):
        return 0.0
    scores = score_in_parts(policy, reference, batch.rollout, tokens)
    betas = torch.tensor(batch.betas, device=batch.rewards.device)
    return betas * turn_kl(scores, batch.rollout, objective.kl)


class _Seen:
    """KL and entropy of a batch's turns, added up as its parts are scored; without gradients."""

    def __init__(self, rollout: Rollout) -> None:
        self._episodes = int(rollout.judged.sum())
        zero = torch.zeros(rollout.turns, device=rollout.scores.device)
        self._sums = {"kl": zero, "entropy": zero}

    def add(self, rollout: Rollout, scores: Scores) -> None:
        """Add the judged episodes of a part."""
        for name, values in (("kl", scores.kl), ("entropy", scores.entropy)):
            turns = rollout.turn_sum(values.detach())[rollout.judged]
            self._sums[name] = self._sums[name] + turns.sum(dim=0)

    def per_turn(self) -> dict[str, Tensor]:
        """(K,) means over judged episodes of each turn's sums; 0 if no episode was judged."""
        return {name: sums / max(1, self._episodes) for name, sums in self._sums.items()}


def _metrics(batch: Batch, whole: Part, seen: _Seen) -> dict[str, float]:
    valid = batch.rollout.judged
    if not bool(valid.any()):
        return {}  # a step was taken on the other batches alone
    per_turn = {"reward": objectives.mean_of_valid(batch.rewards, valid), **seen.per_turn()}
    sampled = batch.rollout.taken[valid].any(dim=0).tolist()  # a given turn has no tokens here
    metrics = {
        f"t{turn + 1}/{name}": float(values[turn])
        for turn in range(batch.rollout.turns)
        for name, values in per_turn.items()
        if sampled[turn] or name == "reward"
    }
    zero = float((whole.advantages[valid].abs() < 1e-6).float().mean())  # but for rounding
    return rollout_metrics(batch.rollout) | metrics | {"train/zero_advantage": zero}


LOGGED = {
    "episodes": "training episodes that were sampled so far",
    "tokens": "tokens that were sampled in them so far",
    "gradient_tokens": "tokens of the forward and backward passes of all updates so far, prompts "
    "included, padding not; a token counts once in each epoch",
    "t{t}/accuracy": "share of judged episodes whose turn t scored 1",
    "t{t}/score": "mean score of turn t over judged episodes; above the accuracy where a verifier "
    "gives partial credit",
    "t{t}/reward": "mean reward of turn t, shaping included",
    "t{t}/kl": "mean KL(π_θ ‖ π_ref) of turn t's tokens, summed over the turn, in nats",
    "t{t}/entropy": "mean entropy of turn t's token distributions, summed over the turn, in nats",
    "t{t}/tokens": "mean number of sampled tokens in turn t",
    "t{t}/truncated": "share of turn t's replies that the token cap cut off",
    "delta": "accuracy at the last turn minus accuracy at the first",
    "unchanged": "share of judged episodes whose last answer equals the first",
    "train/learning_rate": "learning rate of the step, by the stage and the schedule",
    "train/grad_norm": "norm of the gradient before clipping (of the last epoch)",
    "train/clipped": "share of the step's optimiser steps whose gradient was clipped",
    "train/gradient_tokens": "the same of the step's update",
    "train/zero_advantage": "share of (episode, turn) pairs with advantage 0: no gradient",
    "train/unjudged": "episodes left out because the verifier failed",
    "train/unjudged_share": "share of all episodes sampled in the step at which the verifier "
    "failed; above a half in three steps in a row training stops",
    "eval/…": "after every eval_every steps, each fit and the last step: the keys of turn_metrics "
    "(t{t}/accuracy, delta …) on held-out problems, greedily; eval_sampled/… at the training's "
    "temperature",
    "train/skipped": "1 if no episode of the batch could be judged: no step was taken, and no "
    "metrics of episodes are logged",
    "train/same_weights": "1 if the step left the weights as they were: it only gathered episodes, "
    "or was skipped",
}
"""What the keys of the log mean; ``{t}`` counts turns from 1."""
