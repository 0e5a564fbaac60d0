"""`LossTrainer`: TRL's trainer, with the log-probabilities and the loss of a batch on demand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl.trainer.grpo_trainer import GRPOTrainer

from selfcorrect_agents.adapters.trl.sampling import samples_here


class LossTrainer(GRPOTrainer):
    """A GRPO trainer whose loss has no KL term, and can be differentiated for given numbers."""

    _fixed_logps: Tensor | None = None

    @torch.no_grad()
    def log_ratio(self, batch: dict[str, Any]) -> Tensor:
        """(B, T) ``log π − log π_ref`` of completion tokens; 0 without a KL coefficient."""
        if self.beta == 0.0:
            return torch.zeros_like(batch["completion_ids"], dtype=torch.float32)
        logps = batch.get("old_per_token_logps")
        if logps is None and samples_here(self):
            logps = batch["sampling_per_token_logps"]  # our sampler's are the model's own
        if logps is None:
            logps = self._score_again(batch, slice(None))
        return logps - batch["ref_per_token_logps"]

    def loss_gradient(self, batch: dict[str, Any], advantages: Tensor) -> Tensor:
        """(B, T): the derivative of TRL's loss by the log-probability of each token.

        Args:
            batch: of which the loss is computed.
            advantages: (B, T), in the place of the batch's.
        """
        logps = batch.get("old_per_token_logps", batch["sampling_per_token_logps"]).nan_to_num()
        self._fixed_logps = leaf = logps.clone().requires_grad_()
        # terms of the loss that no advantage is in; they need a forward pass, or keep a state
        apart = ("aux_loss_enabled", "use_adaptive_entropy")
        kept = {name: getattr(self, name) for name in apart if hasattr(self, name)}
        try:
            for name in kept:
                setattr(self, name, False)
            with torch.enable_grad():
                loss = self._compute_loss(self.model, {**batch, "advantages": advantages})
            return torch.autograd.grad(loss, leaf)[0]
        finally:
            self._fixed_logps = None
            for name, value in kept.items():
                setattr(self, name, value)

    def reaches_weights(self, batch: dict[str, Any]) -> bool:
        """Whether the log-probabilities of a batch depend on a weight that is trained."""
        return self._score_again(batch, slice(0, 1), gradient=True).requires_grad

    def _score_again(self, batch: dict[str, Any], rows: slice, *, gradient: bool = False) -> Tensor:
        """(b, T) log-probabilities of the completion tokens of some rows, by the model as it is."""
        with torch.set_grad_enabled(gradient):
            return self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([batch["prompt_ids"][rows], batch["completion_ids"][rows]], dim=1),
                torch.cat([batch["prompt_mask"][rows], batch["completion_mask"][rows]], dim=1),
                batch["completion_ids"].shape[1],
                batch_size=self.args.per_device_train_batch_size,
            )[0]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        kept, self.beta = self.beta, 0.0  # the KL is in the advantages, turn by turn
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.beta = kept

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        if self._fixed_logps is None:
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)
        return self._fixed_logps, torch.zeros_like(self._fixed_logps), None
