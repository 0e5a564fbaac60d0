"""`score`: log-probabilities, KL and entropy of the sampled tokens of a rollout.

The logits of a whole rollout would be a [B, T, V] tensor. To save memory, hidden states are turned
into logits in chunks of columns, and the chunks are recomputed in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from selfcorrect_agents.rl import objectives
from selfcorrect_agents.rl.rollout import Rollout

CHUNK = 1 << 22
"""Logits in one chunk, B · C · V, at most (unless a single column has more)."""

T = TypeVar("T")


class Scorer(Protocol):
    """The interface of a policy or a reference that scoring needs."""

    def hidden(self, ids: Tensor, attention_mask: Tensor, columns: Tensor) -> Tensor:
        """Return (B, C, H) hidden states that predict the tokens in ``columns``."""
        ...

    def head(self, hidden: Tensor) -> Tensor:
        """(…, H) hidden states -> (…, V) float32 logits."""
        ...

    @property
    def vocab_size(self) -> int:
        """V."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """The sampled tokens of a rollout, scored by the policy and its reference."""

    logps: Tensor
    """(B, C) ``log π_θ`` of each sampled token, with gradient."""
    ref_logps: Tensor
    """(B, C) ``log π_ref`` of each sampled token; constants."""
    kl: Tensor
    """(B, C) KL over the full vocabulary at each sampled prefix, with gradient."""
    entropy: Tensor
    """(B, C) entropy of the next-token distributions, in nats; no gradient."""


def score(policy: Scorer, reference: Scorer, rollout: Rollout) -> Scores:
    """Score a rollout: one forward pass of each model over the whole episodes.

    π is the distribution that tokens were drawn from: the model at the rollout's temperature. On
    padding the values are arbitrary; `Rollout.turn_sum` leaves padding out.
    """
    inputs = rollout.ids, rollout.attention_mask, rollout.columns
    hidden = policy.hidden(*inputs)
    with torch.no_grad():
        ref_hidden = hidden.detach() if reference is policy else reference.hidden(*inputs)

    def score_chunk(hidden: Tensor, ref_hidden: Tensor, ids: Tensor) -> tuple[Tensor, ...]:
        logits = policy.head(hidden) / rollout.temperature
        with torch.no_grad():
            ref_logits = reference.head(ref_hidden) / rollout.temperature
            entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
        return (
            objectives.token_logps(logits, ids),
            objectives.token_logps(ref_logits, ids),
            objectives.kl_full(logits, ref_logits),
            entropy,
        )

    return Scores(*in_chunks(score_chunk, policy.vocab_size, hidden, ref_hidden, rollout.sampled))


def in_chunks(
    function: Callable[..., tuple[Tensor, ...]], width: int, *tensors: Tensor
) -> tuple[Tensor, ...]:
    """Apply a function to chunks of columns, without keeping its intermediate results.

    Args:
        function: takes (B, c, …) tensors and returns (B, c) tensors. It is called again in the
            backward pass if there is more than one chunk.
        width: number of values that it computes for each element (the vocabulary's size).
        tensors: (B, C, …), cut along their second axis.

    Returns:
        The (B, C) results.
    """
    rows, columns = tensors[0].shape[:2]
    size = max(1, CHUNK // max(1, rows * width))
    if size >= columns:
        return function(*tensors)
    parts = [
        checkpoint(function, *chunk, use_reentrant=False, preserve_rng_state=False)
        for chunk in zip(*(tensor.split(size, dim=1) for tensor in tensors), strict=True)
    ]
    columns_of = zip(*cast(list[tuple[Tensor, ...]], parts), strict=True)
    return tuple(torch.cat(list(part), dim=1) for part in columns_of)
