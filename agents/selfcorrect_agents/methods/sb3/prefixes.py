"""Sequences that begin alike are read once: the forward pass of a batch of prefixes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Merged:
    """N sequences as prefixes of M ≤ N of them: what a causal model says of one it says of all."""

    rows: Tensor
    """(M,) int64: the sequences that are no prefix of another one."""
    owner: Tensor
    """(N,) int64 in [0, M): which of `rows` each sequence is a prefix of."""
    last: Tensor
    """(N,) int64: the column of each sequence's last token."""


def merge(ids: Tensor, mask: Tensor) -> Merged:
    """Find the sequences that others begin with.

    A step's observation is the next one's beginning, so the observations of an episode are
    one sequence and its prefixes; a model reads them all in one pass over the longest.

    Args:
        ids: (N, T) int64, N ≥ 1.
        mask: (N, T) bool, True on each row's first tokens, of which there is at least one.

    >>> found = merge(torch.tensor([[5, 0, 0], [5, 7, 8], [5, 7, 0]]),
    ...               torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0]]).bool())
    >>> found.rows.tolist(), found.owner.tolist(), found.last.tolist()
    ([1], [0, 0, 0], [0, 2, 1])

    """
    lengths = mask.sum(dim=1)
    width = int(lengths.max())
    # in lexicographic order, with the filling below every token, a sequence stands right
    # before one that it begins, if there is one
    keys = torch.where(mask, ids, -1)[:, :width].cpu()
    unique, which = torch.unique(keys, dim=0, sorted=True, return_inverse=True)
    here, following = unique[:-1], unique[1:]
    begins = ((here == following) | (here < 0)).all(dim=1)
    maximal = torch.cat([~begins, torch.ones(1, dtype=torch.bool)])
    # a sequence belongs to the next maximal one, itself included
    position = maximal.long().cumsum(dim=0) - maximal.long()
    first = torch.full((len(unique),), len(keys)).scatter_reduce(
        0, which, torch.arange(len(keys)), "amin"
    )
    return Merged(
        rows=first[maximal].to(ids.device),
        owner=position[which].to(ids.device),
        last=lengths - 1,
    )
