"""`grouped_attention`: attention in which a key head serves several query heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_UNSEEN = -1e9


def unseen_score(dtype: torch.dtype) -> float:
    """Return what a mask adds to the score of a token that is not seen.

    It is finite, since some kernels of GPUs subtract one such score from another; the probability
    is exactly 0 all the same. float16 has no numbers below −65,504.
    """
    return max(_UNSEEN, torch.finfo(dtype).min)


def grouped_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Return scaled dot-product attention.

    Args:
        queries: (R, heads, W, D).
        keys: (R, kv_heads, S, D).
        values: (R, kv_heads, S, D).
        mask: (R, 1, W, S), added to the scores.
        causal: whether token i sees the first i + 1 keys; without a mask.

    Returns:
        (R, W, heads · D).
    """
    groups = queries.shape[1] // keys.shape[1]
    if groups > 1 and queries.device.type == "cuda":
        # on a GPU the kernels that take a mask take no groups, and others store all scores
        keys, values = (x.repeat_interleave(groups, dim=1) for x in (keys, values))
    attended = F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=groups > 1
    )
    return attended.transpose(1, 2).flatten(2)
