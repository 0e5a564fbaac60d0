"""Values and gradients of `token_terms` in tiles: many tokens by a few columns of their logits.

A chunk of all columns of a large vocabulary holds few tokens, and a product of few tokens takes as
long as reading the output layer's weights does. What a softmax needs of a whole row is summed up
from tile to tile, relative to ``m``, the largest logit so far (Milakov & Gimelshein, arXiv
1805.02867). With ``z`` and ``w`` the logits of the policy and of its reference, less their ``m``:

    Z = Σ exp(z)            E = Σ exp(z) z            D = Σ exp(z) (z − w)
    log p(y) = z_y − log Z  entropy = log Z − E / Z   KL = D / Z − (log Z_p − log Z_q)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from selfcorrect_agents.lm.output_layer import LinearHead

TOKENS = 256
"""Tokens of a tile, at most."""


@dataclass(frozen=True, slots=True)
class TiledHeads:
    """The two output layers, with the same columns."""

    policy: LinearHead
    reference: LinearHead | None
    temperature: float
    kl_gradient: bool


def tiled_values(
    heads: TiledHeads, hidden: Tensor, ref_hidden: Tensor | None, ids: Tensor
) -> tuple[Tensor, ...]:
    """Return log p(y), log q(y), KL, entropy, and the log-sum-exps of both: six (n,) tensors.

    Args:
        heads: the output layers.
        hidden: (n, H) the policy's hidden states.
        ref_hidden: (n, H) the reference's; None if it has no head.
        ids: (n,) int64, the tokens.
    """
    own, other = _Sums(hidden), None if ref_hidden is None else _Sums(ref_hidden)
    difference = torch.zeros_like(own.total)
    for columns in heads.policy.blocks():
        before = own.total
        p = own.add(heads.policy.logits(hidden, columns).div_(heads.temperature), ids, columns)
        if other is None or heads.reference is None or ref_hidden is None:
            continue
        w = heads.reference.logits(ref_hidden, columns).div_(heads.temperature)
        q = other.add(w, ids, columns)
        difference = p.rescaled * (difference + (p.below - q.below) * before)
        difference += _dot(p.weight, p.logits - q.logits)
    if other is None:
        zeros = torch.zeros_like(own.total)
        return own.logps, own.logps, zeros, own.entropy, own.log_sum, own.log_sum
    kl = difference / own.total - (own.total.log() - other.total.log())
    return own.logps, other.logps, kl, own.entropy, own.log_sum, other.log_sum


def add_tiled_gradients(
    heads: TiledHeads,
    chunk: tuple[Tensor, Tensor | None, Tensor],
    given: tuple[Tensor, Tensor, Tensor],
    log_sums: tuple[Tensor, Tensor],
    sums: Sequence[Tensor],
) -> Tensor:
    """Return the gradient of the hidden states, and add that of the weight to ``sums``.

    Args:
        heads: the output layers.
        chunk: as the arguments of `tiled_values`.
        given: the gradients of log p(y) and of the KL, and the KL; (n,) each.
        log_sums: the log-sum-exps that `tiled_values` returned.
        sums: the gradient so far of ``heads.policy.weight``; empty if it is frozen.
    """
    hidden, ref_hidden, ids = chunk
    of_logps, of_kl, kl = given
    log_sum, ref_log_sum = log_sums
    found = log_sum.new_zeros(hidden.shape)
    for columns in heads.policy.blocks():
        changed = heads.policy.logits(hidden, columns)
        log_p = (changed / heads.temperature).sub_(log_sum[:, None])
        p = log_p.exp()
        if heads.kl_gradient and heads.reference is not None and ref_hidden is not None:
            w = heads.reference.logits(ref_hidden, columns).div_(heads.temperature)
            log_q = w.sub_(ref_log_sum[:, None])
            inner = log_p.sub_(log_q).sub_(kl[:, None]).mul_(of_kl[:, None])
            of_logits = inner.sub_(of_logps[:, None]).mul_(p)
        else:
            of_logits = p.mul_(-of_logps[:, None])
        inside, places = _inside(ids, columns)
        of_logits.scatter_add_(1, places, torch.where(inside, of_logps, 0)[:, None])
        of_logits.mul_(heads.policy.change.slope(changed)).div_(heads.temperature)
        found += heads.policy.product(of_logits, heads.policy.weight[columns])
        for total in sums:
            total[columns] += heads.policy.product(of_logits.t(), hidden)
    return found.to(hidden.dtype)


@dataclass(frozen=True, slots=True)
class _Tile:
    """What was added to the sums."""

    logits: Tensor
    """(n, c), less the largest so far."""
    weight: Tensor
    """(n, c) their exponentials."""
    below: Tensor
    """(n,) the largest logit before, less the largest now."""
    rescaled: Tensor
    """(n,) its exponential: the factor of earlier sums."""


class _Sums:
    """Sums over the columns so far of n tokens' logits."""

    def __init__(self, hidden: Tensor) -> None:
        dtype = torch.promote_types(hidden.dtype, torch.float32)
        self.total = hidden.new_zeros(len(hidden), dtype=dtype)
        self._inner, self._chosen = torch.zeros_like(self.total), torch.zeros_like(self.total)
        self._top = torch.full_like(self.total, -1e30)

    def add(self, logits: Tensor, ids: Tensor, columns: slice) -> _Tile:
        """Add (n, c) logits."""
        top = torch.maximum(self._top, logits.amax(dim=1))
        below = self._top - top
        rescaled = below.exp()
        shifted = logits - top[:, None]
        weight = shifted.exp()
        self._inner = rescaled * (self._inner + below * self.total) + _dot(weight, shifted)
        self.total = rescaled * self.total + weight.sum(dim=1)
        inside, places = _inside(ids, columns)
        self._chosen = torch.where(inside, logits.gather(1, places)[:, 0], self._chosen)
        self._top = top
        return _Tile(shifted, weight, below, rescaled)

    @property
    def logps(self) -> Tensor:
        return self._chosen - self._top - self.total.log()

    @property
    def entropy(self) -> Tensor:
        return self.total.log() - self._inner / self.total

    @property
    def log_sum(self) -> Tensor:
        return self._top + self.total.log()


def _inside(ids: Tensor, columns: slice) -> tuple[Tensor, Tensor]:
    """Return which tokens are in ``columns``, (n,), and their places there, (n, 1)."""
    places, size = ids - columns.start, columns.stop - columns.start
    return (places >= 0) & (places < size), places.clamp(0, size - 1)[:, None]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the (n,) inner products of the rows of two (n, c) tensors."""
    return torch.einsum("nc,nc->n", a, b)
