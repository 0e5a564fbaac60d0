"""`score`: log-probabilities, KL and entropy of the sampled tokens of a rollout.

One forward pass of each model gives the hidden states of whole episodes. Those that predict a
sampled token are packed into an (N, H) tensor, without padding, and `token_terms` turns them into
numbers a chunk at a time: no [B, T, V] tensor exists, in the forward or in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from selfcorrect_agents.rl.rollout import Rollout
from selfcorrect_agents.rl.token_terms import Heads, token_terms


class Scorer(Protocol):
    """The interface of a policy or a reference that scoring needs."""

    def hidden(self, ids: Tensor, attention_mask: Tensor, columns: Tensor) -> Tensor:
        """Return (B, C, H) hidden states that predict the tokens in ``columns``."""
        ...

    def head(self, hidden: Tensor) -> Tensor:
        """(…, H) hidden states -> (…, V) float32 logits."""
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
    inputs, own = _Inputs.of(rollout), reference is policy
    hidden = inputs.packed(policy)
    with torch.no_grad():
        ref_hidden = None if own else inputs.packed(reference)
    heads = Heads(
        vocabulary=policy.vocab_size,
        policy=policy.head,
        reference=None if own else reference.head,
        temperature=rollout.temperature,
        kl_gradient=kl_gradient,
    )
    ids = rollout.sampled[rollout.mask]
    terms = token_terms(heads, hidden, ref_hidden, ids, policy.head_weights)
    packed = terms.logps, terms.ref_logps, terms.kl, terms.entropy
    return Scores(*(_unpacked(values, rollout.mask) for values in packed))


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

    The episodes of one problem stay together if they fit.

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
    groups = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    units = [
        unit
        for group in groups
        for unit in ([group] if _tokens(real[group]) <= tokens else _single_rows(group))
    ]
    taken: list[slice] = []
    for unit in units:
        joined = slice(taken[-1].start, unit.stop) if taken else unit
        if taken and _tokens(real[joined]) <= tokens:
            taken[-1] = joined
        else:
            taken.append(unit)
    return taken


def _single_rows(rows: slice) -> list[slice]:
    return [slice(row, row + 1) for row in range(rows.start, rows.stop)]


def _tokens(mask: Tensor) -> int:
    """Return rows × columns that hold a real token."""
    return len(mask) * int(mask.any(dim=0).sum())


@dataclass(frozen=True, slots=True)
class _Inputs:
    """A rollout without the columns that are padding in every row."""

    ids: Tensor
    """(B, T') int64."""
    attention_mask: Tensor
    """(B, T') bool."""
    columns: Tensor
    """(C',) int64: those of the T' columns that hold a sampled token in some row."""
    mask: Tensor
    """(B, C') bool: True where a token was sampled."""

    @classmethod
    def of(cls, rollout: Rollout) -> _Inputs:
        kept, used = rollout.attention_mask.any(dim=0), rollout.mask.any(dim=0)
        place = kept.long().cumsum(dim=0) - 1
        return cls(
            ids=rollout.ids[:, kept],
            attention_mask=rollout.attention_mask[:, kept],
            columns=place[rollout.columns[used]],
            mask=rollout.mask[:, used],
        )

    def packed(self, scorer: Scorer) -> Tensor:
        """Return (N, H) hidden states: those that predict the sampled tokens, row after row."""
        return scorer.hidden(self.ids, self.attention_mask, self.columns)[self.mask]


def _unpacked(values: Tensor, mask: Tensor) -> Tensor:
    """(N,) values of the sampled tokens -> (B, C), 0 elsewhere."""
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
