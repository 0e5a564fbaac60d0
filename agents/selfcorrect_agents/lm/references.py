"""`Reference`: the policy π_ref that KL terms are measured against. It never changes.

`FrozenCopy` is a copy of the whole model. `AdapterOff` is the policy's own model with its LoRA
adapter switched off: no second copy is in memory.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from selfcorrect_agents.lm.policy import Policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Reference(Policy):
    """A policy that never changes; it samples and scores like any other.

    Args:
        model: its model.
        policy: the policy that it belongs to; it reads prompts in the same template.
    """

    def __init__(self, model: PreTrainedModel, policy: Policy) -> None:
        super().__init__(
            model, policy.tokenizer, autocast=policy.autocast, template=policy.chat.template
        )

    def restore(self, policy: Policy) -> None:
        """Set the trained weights of ``policy`` to those that it had when this was made."""
        raise NotImplementedError


class FrozenCopy(Reference):
    """A copy of a policy's whole model, as it is now."""

    def __init__(self, policy: Policy) -> None:
        model = copy.deepcopy(policy.model).eval().requires_grad_(False)
        super().__init__(model, policy)

    def restore(self, policy: Policy) -> None:
        """Copy all weights back."""
        policy.model.load_state_dict(self.model.state_dict())


class AdapterOff(Reference):
    """A policy's own model with the adapter switched off: the base model."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.model, policy)
        self._start = {name: w.detach().clone() for name, w in policy.trainable().items()}

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """As for any policy, with the adapter switched off."""
        with cast(Any, self.model).disable_adapter(), super().computing():
            yield

    @property
    def _output_layer(self) -> nn.Linear:
        layer: Any = super()._output_layer  # an adapter of peft may be around it, or a trained copy
        return getattr(layer, "base_layer", getattr(layer, "original_module", layer))

    @torch.no_grad()
    def restore(self, policy: Policy) -> None:
        """Set the adapter to its initial weights, which leave the base model's output as it is."""
        for name, weight in policy.trainable().items():
            weight.copy_(self._start[name])


def reference_of(policy: Policy) -> Reference:
    """Return the reference π_ref of a policy as it is now.

    A policy whose adapter has not been trained yet equals its base model, so `AdapterOff` is the
    reference. A policy with a trained adapter, or without an adapter, is copied.
    """
    fresh = policy.has_adapter and all(
        not bool(weight.any()) for name, weight in policy.trainable().items() if ".lora_B." in name
    )
    return AdapterOff(policy) if fresh else FrozenCopy(policy)
