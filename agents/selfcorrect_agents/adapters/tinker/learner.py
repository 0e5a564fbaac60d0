"""`TinkerLearner`: optimiser steps at a service, on episodes with an advantage for each token."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from tinker import SamplingClient, TrainingClient, types
from torch import Tensor

from selfcorrect_agents.lm.learner import BETAS
from selfcorrect_agents.rl.rollout import Rollout


class TinkerLearner:
    """Takes steps on the weights that a training client stands for.

    The loss is computed at the service: ``importance_sampling``,
    ``−Σ exp(log π − log π_behaviour) A`` summed over the tokens of all episodes, whose gradient is
    REINFORCE's on samples of the same weights.

    Args:
        client: from ``create_lora_training_client``.
        max_grad_norm: the gradient's norm is clipped to this, > 0.
    """

    def __init__(self, client: TrainingClient, *, max_grad_norm: float) -> None:
        self.client = client
        self.max_grad_norm = max_grad_norm

    def step(self, rollout: Rollout, advantages: Tensor, learning_rate: float) -> dict[str, float]:
        """Take one step; the gradient and the step are both under way before either is waited for.

        Args:
            rollout: B episodes of the weights as they are.
            advantages: (B, K) of each turn; 0 where an episode could not be judged.
            learning_rate: of AdamW, without weight decay.

        Returns:
            The service's metrics of the loss; empty if no episode was judged: no step is taken.
        """
        if not bool(rollout.judged.any()):
            return {}
        gradient = self.client.forward_backward(data(rollout, advantages), "importance_sampling")
        step = self.client.optim_step(
            types.AdamParams(
                learning_rate=learning_rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                eps=1e-8,
                grad_clip_norm=self.max_grad_norm,
            )
        )
        metrics = dict(gradient.result().metrics)
        step.result()
        return metrics


def data(rollout: Rollout, advantages: Tensor) -> list[types.Datum]:
    """Return the judged episodes as the service takes them.

    Args:
        rollout: B episodes.
        advantages: (B, K) of each turn. They are divided by the number of judged episodes: the
            loss, a sum, is then the equations' mean over episodes.

    Returns:
        A datum of each: its ids, and for each next token the one that was sampled, its behaviour
        log-probability and its turn's advantage; 0 where nothing was sampled.
    """
    per_token = advantages[:, rollout.turn] / max(1, int(rollout.judged.sum()))
    found = []
    for row, (ids, at) in enumerate(_rows(rollout)):
        if not bool(rollout.judged[row]):
            continue
        mask = rollout.mask[row]
        targets, logps = ids[1:].clone(), torch.zeros(len(ids) - 1)
        values = torch.zeros(len(ids) - 1)
        targets[at - 1] = rollout.sampled[row, mask]
        logps[at - 1] = rollout.logps[row, mask]
        values[at - 1] = per_token[row, mask]
        found.append(
            types.Datum(
                model_input=types.ModelInput.from_ints(ids[:-1].tolist()),
                loss_fn_inputs={
                    "target_tokens": types.TensorData.from_torch(targets),
                    "logprobs": types.TensorData.from_torch(logps),
                    "advantages": types.TensorData.from_torch(values),
                },
            )
        )
    return found


def reference_logps(client: SamplingClient, rollout: Rollout) -> Tensor:
    """Return (B, C) log-probabilities of the sampled tokens under the weights of a client.

    0 outside the mask. Where a turn ended with another token than the template's, the behaviour
    log-probability is used instead: that one token has no part in a KL.
    """
    rows = list(_rows(rollout))
    futures = [client.compute_logprobs(types.ModelInput.from_ints(ids.tolist())) for ids, _ in rows]
    logps = rollout.logps.clone()
    same = rollout.ids[:, rollout.columns] == rollout.sampled
    for row, ((_, at), future) in enumerate(zip(rows, futures, strict=True)):
        scored = future.result()
        given = torch.tensor([scored[i] for i in at.tolist()], dtype=logps.dtype)
        mask = rollout.mask[row]
        logps[row, mask] = torch.where(same[row, mask], given, logps[row, mask])
    return logps


def _rows(rollout: Rollout) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each episode's ids without padding, and where in them its sampled tokens are."""
    for ids, real, mask in zip(rollout.ids, rollout.attention_mask, rollout.mask, strict=True):
        place = real.long().cumsum(dim=0) - 1
        yield ids[real], place[rollout.columns[mask]]
