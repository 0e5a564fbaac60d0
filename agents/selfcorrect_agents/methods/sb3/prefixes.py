"""Merging of sequences with their prefixes, so that a forward pass reads each prefix once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Merged:
    """N sequences, each a prefix of one of M ≤ N of them.

    A causal model's output for a token depends on the tokens up to it only, so its outputs for the
    M sequences contain those for all N.
    """

    rows: Tensor
    """(M,) int64: indices of the sequences that are not a prefix of another one."""
    owner: Tensor
    """(N,) int64 in [0, M): index into `rows` of the sequence that this one is a prefix of."""
    last: Tensor
    """(N,) int64: the column of each sequence's last token."""


def merge(ids: Tensor, mask: Tensor) -> Merged:
    """Find the sequences that are not a prefix of another one, and the owner of every prefix.

    The observation of a step is a prefix of the next one, so the observations of an episode are
    one sequence and its prefixes; a model reads them all in one pass over the longest.

    The sequences are sorted lexicographically, with the padding (-1) below every token. Then all
    sequences that start with the same prefix are adjacent, directly after the prefix itself. So a
    sequence is a prefix of another one if and only if it is a prefix of its successor in this
    order, and the owner of a prefix is the first sequence after it that is not a prefix. For
    example, [5], [5, 7], [5, 7, 8], [6] has the owners [5, 7, 8] (for the first three) and [6].

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
    keys = torch.where(mask, ids, -1)[:, :width].cpu()
    unique, which = torch.unique(keys, dim=0, sorted=True, return_inverse=True)
    here, following = unique[:-1], unique[1:]
    # each token equals that of the successor, or is padding
    is_prefix = ((here == following) | (here < 0)).all(dim=1)
    maximal = torch.cat([~is_prefix, torch.ones(1, dtype=torch.bool)])  # the last one has none
    # the number of maximal sequences before this one is the index of the next one, or its own
    position = maximal.long().cumsum(dim=0) - maximal.long()
    # equal sequences occur once in `unique`; `rows` refers to their first occurrence
    first = torch.full((len(unique),), len(keys)).scatter_reduce(
        0, which, torch.arange(len(keys)), "amin"
    )
    return Merged(
        rows=first[maximal].to(ids.device),
        owner=position[which].to(ids.device),
        last=lengths - 1,
    )
