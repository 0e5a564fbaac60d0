"""`score`: log-probabilities, KL and entropy of the sampled tokens of a rollout.

One forward pass of each model reads whole episodes without their padding, and what the episodes of
a problem have in common, its prompt, once (`PackedRows`). The hidden states that predict a sampled
token are turned into numbers a chunk at a time (`token_terms`): no [B, T, V] tensor exists, in the
forward or in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from selfcorrect_agents.lm.decoders import PackedRows, pack_rows
from selfcorrect_agents.lm.output_layer import LinearHead
from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.token_terms import Heads, token_terms


class Scorer(Protocol):
    """The interface of a policy or a reference that scoring needs."""

    def packed_hidden(self, packed: PackedRows) -> Tensor:
        """Return the (N, H) hidden states of packed tokens; each predicts the token after it."""
        ...

    def head(self, hidden: Tensor) -> Tensor:
        """(…, H) hidden states -> (…, V) float32 logits."""
        ...

    @property
    def linear_head(self) -> LinearHead | None:
        """`head` where it can be computed in parts of the vocabulary, else None."""
        ...

    @property
    def head_weights(self) -> Sequence[Tensor]:
        """The trainable weights that `head` uses."""
        ...

    @property
    def vocab_size(self) -> int:
        """V."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """The sampled tokens of a rollout, scored by the policy and its reference; 0 on padding."""

    logps: Tensor
    """(B, C) ``log π_θ`` of each sampled token, with gradient."""
    ref_logps: Tensor
    """(B, C) ``log π_ref`` of each sampled token; constants."""
    kl: Tensor
    """(B, C) KL over the full vocabulary at each sampled prefix; with gradient if asked for."""
    entropy: Tensor
    """(B, C) entropy of the next-token distributions, in nats; no gradient."""


def score(
    policy: Scorer, reference: Scorer, rollout: Rollout, *, kl_gradient: bool = True
) -> Scores:
    """Score a rollout: one forward pass of each model over the whole episodes.

    π is the distribution that tokens were drawn from: the model at the rollout's temperature.

    Args:
        policy: π_θ.
        reference: π_ref; the policy itself gives a KL of 0.
        rollout: B episodes.
        kl_gradient: whether `Scores.kl` has a gradient. Without, it is a number for the log, and
            the backward pass is cheaper.
    """
    own = reference is policy
    packed = packed_rows(rollout)
    predictors = packed.predictors(rollout.columns)[rollout.mask]
    with torch.no_grad():  # first: its memory is free before the policy's graph is built
        ref_hidden = None if own else reference.packed_hidden(packed)[predictors]
    hidden = policy.packed_hidden(packed)[predictors]
    heads = Heads(
        vocabulary=policy.vocab_size,
        policy=policy.linear_head or policy.head,
        reference=None if own else reference.linear_head or reference.head,
        temperature=rollout.temperature,
        kl_gradient=kl_gradient,
    )
    ids = rollout.sampled[rollout.mask]
    terms = token_terms(heads, hidden, ref_hidden, ids, policy.head_weights)
    packed = terms.logps, terms.ref_logps, terms.kl, terms.entropy
    return Scores(*(_unpacked(values, rollout.mask) for values in packed))


def packed_rows(rollout: Rollout) -> PackedRows:
    """Return what a forward pass over a rollout computes: the prompt of each problem is there once.

    If episodes of a problem are missing, every episode has its own prompt.
    """
    group = min(rollout.samples, len(rollout))
    return pack_rows(rollout.ids, rollout.attention_mask, 1 if len(rollout) % group else group)


@torch.no_grad()
def score_in_parts(
    policy: Scorer, reference: Scorer, rollout: Rollout, tokens: int | None
) -> Scores:
    """Score a rollout without gradient, in forward passes of at most ``tokens`` tokens.

    Args:
        policy: π_θ.
        reference: π_ref.
        rollout: B episodes.
        tokens: as in `micro_batches`.
    """
    parts = [
        score(policy, reference, rollout[rows], kl_gradient=False)
        for rows in micro_batches(rollout, tokens)
    ]
    return Scores(
        logps=torch.cat([part.logps for part in parts]),
        ref_logps=torch.cat([part.ref_logps for part in parts]),
        kl=torch.cat([part.kl for part in parts]),
        entropy=torch.cat([part.entropy for part in parts]),
    )


def micro_batches(rollout: Rollout, tokens: int | None) -> list[slice]:
    """Cut the rows of a rollout into forward passes of at most ``tokens`` tokens.

    The episodes of one problem stay together if they fit: what they share is computed once.

    Args:
        rollout: B episodes.
        tokens: rows × columns of one forward pass, columns that are padding in all of its rows
            not counted; at least one row is taken. None takes all rows at once.

    Returns:
        Slices that cover all rows, in order.
    """
    rows = len(rollout)
    if tokens is None:
        return [slice(0, rows)]
    size, real = rollout.samples, rollout.attention_mask.cpu()
    taken: list[slice] = []
    whole = False  # whether the last part has whole problems only
    for start in range(0, rows, size):
        group = slice(start, min(start + size, rows))
        fits = _tokens(real[group]) <= tokens
        if fits and whole and _tokens(real[taken[-1].start : group.stop]) <= tokens:
            taken[-1] = slice(taken[-1].start, group.stop)
        else:
            taken += [group] if fits else _cut(group, real, tokens)
        whole = fits
    return taken


def _cut(group: slice, real: Tensor, tokens: int) -> list[slice]:
    """Cut the rows of one problem into parts of at most ``tokens`` tokens, or of one row."""
    parts = [slice(group.start, group.start + 1)]
    for row in range(group.start + 1, group.stop):
        joined = slice(parts[-1].start, row + 1)
        if _tokens(real[joined]) <= tokens:
            parts[-1] = joined
        else:
            parts.append(slice(row, row + 1))
    return parts


def _tokens(mask: Tensor) -> int:
    """Return rows × columns that hold a real token."""
    return len(mask) * int(mask.any(dim=0).sum())


def _unpacked(values: Tensor, mask: Tensor) -> Tensor:
    """(N,) values of the sampled tokens -> (B, C), 0 elsewhere."""
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
