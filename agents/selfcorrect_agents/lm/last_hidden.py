"""The last hidden states of a forward pass, beside its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def with_last_hidden(model: Any, run: Callable[[], Any]) -> tuple[Any, Tensor]:
    """Return what ``run`` returns, and the hidden states that the output layer read in it.

    ``output_hidden_states=True`` would give the same: but since its first use a model of
    transformers keeps hooks that cannot be pickled, and so cannot be saved by libraries that
    pickle models, nor sent to other processes.

    Args:
        model: a causal LM of transformers, with or without adapters of peft.
        run: runs one forward pass of ``model``.

    Returns:
        The result of ``run``, and the hidden states, (B, T, H).
    """
    seen: list[Tensor] = []
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    hook = base.get_decoder().register_forward_hook(
        lambda module, inputs, output: seen.append(output.last_hidden_state)
    )
    try:
        result = run()
    finally:
        hook.remove()
    return result, seen[-1]
