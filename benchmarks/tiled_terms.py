"""CPU-seconds of log-probabilities, KL and entropy: tiles of the output layer beside whole rows.

    python benchmarks/tiled_terms.py

N tokens are scored from their hidden states by a policy and its reference, forward and backward,
with a frozen output layer as under adapters: in chunks of tokens with all of their columns, and in
tiles of tokens by columns. Both take turns in one process with one thread. The sizes are those of
Qwen2.5-0.5B (151,936 columns of width 896) and SmolLM2-135M (49,152 of 576), the weights random.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import tyro
from torch import Tensor, nn

from selfcorrect_agents.lm.output_layer import LinearHead, few_rows
from selfcorrect_agents.rl.token_terms import Head, Heads, token_terms

SHAPES = {"0.5B": (151_936, 896), "135M": (49_152, 576)}
"""Name -> columns and width of the output layer."""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    tokens: tuple[int, ...] = (64, 256)
    """N."""
    rounds: int = 3
    """Times that each side is measured; the first one of each is not counted."""


def main(options: Options) -> None:
    """Measure both sides and print a table."""
    torch.set_num_threads(1)
    print("CPU-milliseconds a token, medians")
    print(f"{'shape':<8}{'tokens':>8}{'chunks':>10}{'tiles':>10}{'ratio':>8}   round by round")
    for name, (columns, width) in SHAPES.items():
        torch.manual_seed(0)
        layer = nn.Linear(width, columns, bias=False).requires_grad_(False)
        for tokens in options.tokens:
            sides: dict[str, Head] = {
                "chunks": whole_rows(layer),
                "tiles": LinearHead(layer.weight),
            }
            found: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(options.rounds + 1):
                for side, head in sides.items():
                    found[side].append(1000 * seconds(head, columns, width, tokens) / tokens)
            chunks, tiles = (found[side][1:] for side in sides)
            ratios = [a / b for a, b in zip(chunks, tiles, strict=True)]
            a, b = statistics.median(chunks), statistics.median(tiles)
            print(
                f"{name:<8}{tokens:>8}{a:>10.1f}{b:>10.1f}{a / b:>8.2f}   "
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                flush=True,
            )


def whole_rows(layer: nn.Linear) -> Head:
    """Return the head as a policy computes it where it is not cut into tiles."""

    def head(hidden: Tensor) -> Tensor:
        return layer(hidden) if torch.is_grad_enabled() else few_rows(layer, hidden)

    return head


def seconds(head: Head, columns: int, width: int, tokens: int) -> float:
    """Return the CPU-seconds of scoring and differentiating random hidden states."""
    hidden = torch.randn(tokens, width, requires_grad=True)
    ref_hidden = hidden.detach() + 0.01 * torch.randn(tokens, width)
    ids = torch.randint(columns, (tokens,))
    heads = Heads(
        vocabulary=columns, policy=head, reference=head, temperature=1.0, kl_gradient=True
    )
    start = time.process_time()
    terms = token_terms(heads, hidden, ref_hidden, ids)
    (0.01 * terms.kl - terms.logps).sum().backward()
    return time.process_time() - start


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
