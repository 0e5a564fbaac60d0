"""`token_terms`: log-probabilities, KL and entropy of tokens, from their hidden states.

The logits of N tokens would be an [N, V] tensor, and each operation on them another one. So hidden
states are turned into logits in chunks of tokens, both in the forward pass and, again, in the
backward pass, where the gradient is computed from formulas instead of a recorded graph. Where
both heads are a `LinearHead`, a chunk is cut further, into tiles (`tiled_terms`). With ``z`` the
logits of one token, ``p`` their softmax, ``q`` the reference's and ``y`` the token:

    ∇_z log p(y)    = e_y − p
    ∇_z KL(p ‖ q)   = p ⊙ (log p − log q − KL(p ‖ q))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from selfcorrect_agents.lm.output_layer import BLOCK, MANY, LinearHead
from selfcorrect_agents.rl.tiled_terms import (
    TOKENS,
    TiledHeads,
    add_tiled_gradients,
    tiled_values,
)

CHUNK = 1 << 22
"""Logits in one chunk, tokens · V, at most (unless a single token has more)."""
GPU_CHUNK = 1 << 26
"""The same on a GPU, which larger chunks keep busy."""
SMALL = 1 << 18
"""Logits below which there is nothing to gain from cutting them in chunks."""
PARTS = 16
"""Number of chunks that more logits than `SMALL` are cut in, at least: the few tensors of a chunk
are then small beside one tensor of all logits."""

Head: TypeAlias = Callable[[Tensor], Tensor]
"""(n, H) hidden states -> (n, V) logits, in the precision that the terms are computed in; a
`LinearHead` is one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """N tokens under the policy and its reference; in nats."""

    logps: Tensor
    """(N,) ``log p(y)``, with gradient."""
    ref_logps: Tensor
    """(N,) ``log q(y)``; constants."""
    kl: Tensor
    """(N,) KL(p ‖ q) over the vocabulary; with gradient if it was asked for."""
    entropy: Tensor
    """(N,) entropy of p; no gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The functions that turn hidden states into logits."""

    vocabulary: int
    """V."""
    policy: Head
    """The policy's."""
    reference: Head | None
    """The reference's; None if the policy is its own reference: the KL is then 0."""
    temperature: float
    """Both logits are divided by it; above 0."""
    kl_gradient: bool
    """Whether the KL has a gradient."""

    @property
    def tiled(self) -> TiledHeads | None:
        """The same heads for tiles; None if one of them is not computed in parts."""
        policy, reference = self.policy, self.reference
        if not isinstance(policy, LinearHead):
            return None
        if reference is not None and not isinstance(reference, LinearHead):
            return None
        return TiledHeads(policy, reference, self.temperature, self.kl_gradient)


def token_terms(
    heads: Heads,
    hidden: Tensor,
    ref_hidden: Tensor | None,
    ids: Tensor,
    weights: Sequence[Tensor] = (),
) -> Terms:
    """Return the terms of N tokens; no more than a chunk of logits is in memory at a time.

    Args:
        heads: how hidden states become logits.
        hidden: (N, H) the policy's hidden states that predict the tokens, with gradient.
        ref_hidden: (N, H) the reference's; None if it has no head.
        ids: (N,) int64, the tokens.
        weights: the trainable weights that ``heads.policy`` uses; they get a gradient, too.
    """
    return Terms(*_TokenTerms.apply(heads, hidden, ref_hidden, ids, *weights))


def logits_at_once(tokens: int, vocabulary: int, device_type: str = "cpu") -> int:
    """Return how many logits of a plain output layer are in memory at a time, in one tensor."""
    if device_type == "cpu" and vocabulary >= MANY:
        return min(tokens, TOKENS) * BLOCK
    return min(tokens, chunk_size(tokens, vocabulary, device_type)) * vocabulary


def chunk_size(tokens: int, vocabulary: int, device_type: str = "cpu") -> int:
    """Return how many tokens are turned into whole rows of logits at a time."""
    most = max(1, (GPU_CHUNK if device_type == "cuda" else CHUNK) // vocabulary)
    return max(1, min(most, max(SMALL // vocabulary, -(-tokens // PARTS))))


class _TokenTerms(torch.autograd.Function):
    """`token_terms` as one node of the graph: it keeps hidden states, and no logits."""

    @staticmethod
    def forward(
        ctx: Any, heads: Heads, hidden: Tensor, ref_hidden: Tensor | None, ids: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        parts = [_values(heads, *chunk) for chunk in _chunks(heads, hidden, ref_hidden, ids)]
        columns = [torch.cat(column) for column in zip(*parts, strict=True)]
        logps, ref_logps, kl, entropy, *log_sums = columns
        ctx.heads, ctx.log_sums = heads, log_sums
        ctx.save_for_backward(hidden, ref_hidden, ids, kl, *weights)
        constants = [ref_logps, entropy] if heads.kl_gradient else [ref_logps, entropy, kl]
        ctx.mark_non_differentiable(*constants)
        return logps, ref_logps, kl, entropy

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator hides names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        hidden, ref_hidden, ids, kl, *weights = ctx.saved_tensors
        heads: Heads = ctx.heads
        of_logps, of_kl = gradients[0], gradients[2]
        trained = [w for w, needed in zip(weights, ctx.needs_input_grad[4:], strict=True) if needed]
        sums = [torch.zeros_like(weight) for weight in trained]
        of_hidden, start = torch.empty_like(hidden), 0
        for chunk in _chunks(heads, hidden, ref_hidden, ids):
            some = slice(start, start + len(chunk[0]))
            start = some.stop
            given = of_logps[some], of_kl[some], kl[some]
            if (tiled := heads.tiled) is not None:
                log_sum, ref_log_sum = (each[some] for each in ctx.log_sums)
                of_hidden[some] = add_tiled_gradients(
                    tiled, chunk, given, (log_sum, ref_log_sum), sums
                )
            else:
                of_hidden[some] = _add_gradients(heads, chunk, given, trained, sums)
        found = iter(sums)
        of_weights = [next(found) if needed else None for needed in ctx.needs_input_grad[4:]]
        return None, of_hidden, None, None, *of_weights


def _chunks(
    heads: Heads, hidden: Tensor, ref_hidden: Tensor | None, ids: Tensor
) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
    tiled = heads.tiled is not None
    size = TOKENS if tiled else chunk_size(len(ids), heads.vocabulary, ids.device.type)
    for start in range(0, max(1, len(ids)), size):
        some = slice(start, start + size)
        yield hidden[some], None if ref_hidden is None else ref_hidden[some], ids[some]


def _log_softmax(head: Head, hidden: Tensor, temperature: float) -> Tensor:
    logits = head(hidden)
    return (logits if temperature == 1.0 else logits / temperature).log_softmax(dim=-1)


def _values(
    heads: Heads, hidden: Tensor, ref_hidden: Tensor | None, ids: Tensor
) -> tuple[Tensor, ...]:
    """Return the four terms of a chunk, and of tiles their log-sum-exps."""
    if (tiled := heads.tiled) is not None:
        return tiled_values(tiled, hidden, ref_hidden, ids)
    log_q = None
    if heads.reference is not None and ref_hidden is not None:
        log_q = _log_softmax(heads.reference, ref_hidden, heads.temperature)
    log_p = _log_softmax(heads.policy, hidden, heads.temperature)
    logps, p = _of_tokens(log_p, ids), log_p.exp()
    entropy = -_dot(p, log_p)
    if log_q is None:
        return logps, logps, torch.zeros_like(logps), entropy
    ref_logps = _of_tokens(log_q, ids)
    return logps, ref_logps, _dot(p, log_q.neg_().add_(log_p)), entropy


def _add_gradients(
    heads: Heads,
    chunk: tuple[Tensor, Tensor | None, Tensor],
    given: tuple[Tensor, Tensor, Tensor],
    weights: Sequence[Tensor],
    sums: Sequence[Tensor],
) -> Tensor:
    """Return the gradient of a chunk's hidden states, and add those of ``weights`` to ``sums``."""
    hidden, ref_hidden, ids = chunk
    of_logps, of_kl, kl = given
    log_q = None
    if heads.kl_gradient and heads.reference is not None and ref_hidden is not None:
        log_q = _log_softmax(heads.reference, ref_hidden, heads.temperature)
    with torch.enable_grad():
        hidden = hidden.detach().requires_grad_()
        logits = heads.policy(hidden)
    if not logits.requires_grad:  # a head that cuts the graph: `check_credit` reports it
        return torch.zeros_like(hidden)
    scaled = logits.detach() if heads.temperature == 1.0 else logits.detach() / heads.temperature
    log_p = scaled.log_softmax(dim=-1)
    if log_q is None:
        of_logits = log_p.exp_().mul_(-of_logps[:, None])
    else:
        inner = log_q.neg_().add_(log_p).sub_(kl[:, None]).mul_(of_kl[:, None])
        of_logits = inner.sub_(of_logps[:, None]).mul_(log_p.exp_())
    of_logits.scatter_add_(1, ids[:, None], of_logps[:, None])
    of_logits.div_(heads.temperature)
    if len(weights) == 1 and _is_product(logits, weights[0]):  # without a second [V, H] tensor
        sums[0].addmm_(of_logits.T, hidden.detach())
        return torch.autograd.grad(logits, hidden, of_logits)[0]
    of_hidden, *parts = torch.autograd.grad(logits, [hidden, *weights], of_logits)
    for total, part in zip(sums, parts, strict=True):
        total.add_(part)
    return of_hidden


def _is_product(logits: Tensor, weight: Tensor) -> bool:
    """Whether the graph says that logits are hidden states times the transpose of ``weight``."""
    node = logits.grad_fn
    if node is None or node.name() != "MmBackward0":
        return False
    transposed = node.next_functions[1][0]
    if transposed is None or transposed.name() not in ("TBackward0", "PermuteBackward0"):
        return False
    return getattr(transposed.next_functions[0][0], "variable", None) is weight


def _of_tokens(values: Tensor, ids: Tensor) -> Tensor:
    return values.gather(1, ids[:, None])[:, 0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the (n,) inner products of the rows of two (n, V) tensors."""
    return torch.einsum("nv,nv->n", a, b)
