"""What a model computes while it is trained: the same as when it samples.

Training mode turns on dropout, and in some families more: Phi-3.5-MoE adds noise to what its
experts read. The policy that is scored must be the one that sampled, so models stay in evaluation
mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def without_dropout(model: nn.Module) -> None:
    """Set every dropout of a model to 0: modules, and the rates that modules keep as numbers."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Recompute activations in the backward pass, in the layers that are told to.

    These layers alone are in training mode, which transformers asks for before it recomputes; what
    is in them, and every other module, is in evaluation mode. Modes are as before afterwards.
    """
    before = [(module, module.training) for module in model.modules()]
    for module, _ in before:
        module.training = getattr(module, "gradient_checkpointing", False) is True
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode
