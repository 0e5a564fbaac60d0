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
        self._frozen = [w for w in policy.model.parameters() if not w.requires_grad]

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """As for any policy, with the adapter switched off."""
        with cast(Any, self.model).disable_adapter(), super().computing():
            yield
        for weight in self._frozen:  # peft has switched the adapter on, with all of its weights
            weight.requires_grad_(False)

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

    A policy whose LoRA adapter has not been trained yet equals its base model, so `AdapterOff` is
    the reference. Any other policy is copied: with a trained adapter, with one of another kind
    (IA3, DoRA …), or without one.
    """
    return AdapterOff(policy) if _adds_nothing(policy) else FrozenCopy(policy)


def _adds_nothing(policy: Policy) -> bool:
    """Whether every adapter is LoRA's product B · A with a factor that is 0, and nothing else."""
    every = policy.model.named_parameters()
    zeros = [w for name, w in every if any(part in name for part in _ZERO_AT_FIRST)]
    others = [name for name in policy.trainable() if not any(part in name for part in _FACTORS)]
    return bool(zeros) and not others and not any(bool(weight.any()) for weight in zeros)


_ZERO_AT_FIRST = (".lora_B.", ".lora_embedding_A.")
_FACTORS = (*_ZERO_AT_FIRST, ".lora_A.", ".lora_embedding_B.")
