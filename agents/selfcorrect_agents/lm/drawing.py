"""`draw`: tokens from logits by given uniform numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from selfcorrect_agents.errors import DivergenceError
from selfcorrect_agents.lm.turns import Turn


def draw(
    logits: Tensor, uniforms: Tensor, temperature: float, top_p: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Draw a token of each row by inverting its cumulative distribution.

    A row's token depends on its own logits and its own number alone, so it does not change with
    the rows that are drawn beside it.

    Args:
        logits: (B, V) float32.
        uniforms: (B,) float32 in [0, 1).
        temperature: ≥ 0; 0 takes the most likely token.
        top_p: in (0, 1]; below 1, tokens are drawn from the smallest set of most likely tokens
            that has at least this probability (Holtzman et al., arXiv 1904.09751).

    Returns:
        (B,) int64 tokens and their (B,) float32 log-probabilities under the distribution that was
        drawn from; 0 where the most likely token was taken. The log-probability is NaN in a row
        whose logits are not finite.
    """
    if temperature == 0.0:
        token = logits.argmax(dim=-1)
        highest = logits.gather(1, token[:, None])[:, 0].float()
        return token, highest - highest  # 0, and nan where the logit is not finite
    if temperature != 1.0:
        logits = logits / temperature
    if top_p < 1.0:
        logits = nucleus(logits, top_p)
    weights = (logits - logits.amax(dim=-1, keepdim=True)).exp_()
    # on a CPU float32 sums are accumulated in float64; Apple's GPUs have no float64
    exact = torch.float64 if logits.device.type == "cuda" else None
    cumulative = weights.cumsum(dim=-1, dtype=exact)
    total = cumulative[:, -1:]
    # strictly below the total, so that a token with probability above 0 is found
    point = torch.minimum(uniforms[:, None] * total, total.nextafter(torch.zeros_like(total)))
    token = torch.searchsorted(cumulative, point, right=True).clamp_(max=logits.shape[-1] - 1)
    logp = (weights.gather(1, token) / total).log()
    return token[:, 0], logp[:, 0].float()


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """(B, V) logits -> the same with -inf outside the most likely tokens; see `draw`."""
    probs, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    before = probs.cumsum(dim=-1) - probs
    outside = torch.zeros_like(before, dtype=torch.bool).scatter_(1, order, before >= top_p)
    return logits.masked_fill(outside, -torch.inf)


def finite(turn: Turn) -> Turn:
    """Return a turn whose log-probabilities are finite.

    Raises:
        DivergenceError: they are not.
    """
    if not bool(turn.logps.isfinite().all()):
        raise DivergenceError(
            "The model's logits are not finite, so no token can be drawn from them. Check its "
            "weights: a training step may have diverged (lower the learning rate), or the file "
            "may be damaged."
        )
    return turn
