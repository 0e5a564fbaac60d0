"""`Learner`: a model with its optimiser; the only code that calls ``backward``, clips and steps."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from selfcorrect_agents.errors import DivergenceError, LearningError
from selfcorrect_agents.lm.model_config import OptimizerName
from selfcorrect_agents.lm.training_mode import recomputing

BETAS = (0.9, 0.99)
"""Decay of AdamW's averages."""


class Learner:
    """Takes optimiser steps on the trainable weights of a model; it leaves no gradients behind.

    Args:
        model: the model; weights without ``requires_grad`` do not change.
        optimizer: over its trainable weights; see `adamw`.
        max_grad_norm: the gradient's norm is clipped to this, ≥ 0; 0 clips nothing.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, *, max_grad_norm: float
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.max_grad_norm = max_grad_norm

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.optimizer.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def clips(self, norm: float) -> bool:
        """Return whether a gradient of this norm is clipped."""
        return 0 < self.max_grad_norm < norm

    def step(self, losses: Iterable[Tensor]) -> float:
        """Take one step on the sum of the losses of micro-batches.

        Args:
            losses: scalars. A generator computes each just before it is differentiated, so only
                one micro-batch's graph is in memory. Of the model, only layers that recompute
                their activations are in training mode meanwhile; see `recomputing`.

        Returns:
            The norm of the gradient before it is clipped.

        Raises:
            DivergenceError: the gradient is not finite; no step is taken.
        """
        try:
            self.optimizer.zero_grad()
            with recomputing(self.model):
                for loss in losses:
                    loss.backward()
            most = self.max_grad_norm or math.inf
            norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), most))
            if not math.isfinite(norm):
                raise DivergenceError(
                    f"The gradient's norm is {norm}: no step was taken on it. Lower the "
                    f"learning rate (here {self.learning_rate:g}; in stage II of SCoRe it is "
                    "stage_two_learning_rate), or raise the KL coefficient."
                )
            self.optimizer.step()
        finally:
            self.optimizer.zero_grad()  # the next rollout has their memory
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser's state, for a checkpoint."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state that `state_dict` returned."""
        self.optimizer.load_state_dict(state)


def make_optimizer(
    model: nn.Module, learning_rate: float, name: OptimizerName = "adamw"
) -> torch.optim.Optimizer:
    """Return an optimiser over the trainable weights of a model, without weight decay.

    Args:
        model: the model.
        learning_rate: of the first step.
        name: "adamw" keeps its two averages in float32 (8 bytes for each weight),
            "adamw_8bit" in 8 bits (2 bytes; Dettmers et al., arXiv 2110.02861), and
            "paged_adamw_8bit" may move them from a GPU's memory to the CPU's.

    Raises:
        LearningError: bitsandbytes, which has the last two, is not installed.
    """
    if name == "adamw":
        return adamw(model, learning_rate)
    try:
        bitsandbytes = importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise LearningError(
            f"optimizer {name!r} needs the library bitsandbytes: "
            "pip install 'selfcorrect-env[8bit]', or take optimizer 'adamw'."
        ) from error
    kinds = {"adamw_8bit": "AdamW8bit", "paged_adamw_8bit": "PagedAdamW8bit"}
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    kind = getattr(bitsandbytes.optim, kinds[name])
    return kind(weights, lr=learning_rate, betas=BETAS, weight_decay=0.0)


def adamw(
    model: nn.Module,
    learning_rate: float,
    *,
    betas: tuple[float, float] = BETAS,
    weight_decay: float = 0.0,
) -> torch.optim.AdamW:
    """Return AdamW over the trainable weights of a model; without weight decay by default."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(weights, lr=learning_rate, betas=betas, weight_decay=weight_decay)
