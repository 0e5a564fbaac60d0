"""Random hidden states, output layers and tokens to score."""

import torch
from torch import Tensor

WIDTH = 3


def random_tokens(
    tokens: int, vocabulary: int, seed: int = 0, dtype: torch.dtype = torch.double
) -> dict[str, Tensor]:
    """Hidden states (tokens, WIDTH), weights (vocabulary, WIDTH) of both heads, and ids."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.double).to(dtype)

    return {
        "hidden": normal(tokens, WIDTH).requires_grad_(),
        "ref_hidden": normal(tokens, WIDTH),
        "weight": normal(vocabulary, WIDTH).requires_grad_(),
        "ref_weight": normal(vocabulary, WIDTH),
        "ids": torch.randint(vocabulary, (tokens,), generator=generator),
    }
