"""`checked`: a decoder is compared with the model's own forward pass before it is used."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from selfcorrect_agents.errors import UnsupportedModelError
from selfcorrect_agents.lm.decoders.decoder import Decoder
from selfcorrect_agents.lm.decoders.packing import pack_rows
from selfcorrect_agents.lm.last_hidden import with_last_hidden


class ComparedModel(Protocol):
    """The interface that `checked` needs."""

    model: Any
    autocast: torch.dtype | None

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        ...

    def forward(self, **inputs: Any) -> Any:
        """Run the model as transformers does."""
        ...

    def computing(self) -> Any:
        """Return the context that forward passes run in."""
        ...


@torch.no_grad()
def checked(decoder: Decoder, policy: ComparedModel) -> Decoder:
    """Return the decoder if its hidden states are those of the model.

    Three rows of different lengths are computed by both, with padding and a shared beginning. In
    float32 the values must agree to 1e-4 of the largest one, in bfloat16 to 5e-2.

    Raises:
        UnsupportedModelError: they differ; something changes the model's forward pass.
    """
    ids, mask = _rows(policy.model.get_input_embeddings().weight.shape[0], policy.device)
    inputs = {
        "input_ids": ids,
        "attention_mask": mask.long(),
        "position_ids": (mask.long().cumsum(1) - 1).clamp(min=0),
        "use_cache": False,
    }
    _, hidden = with_last_hidden(policy.model, lambda: policy.forward(**inputs))
    expected = hidden[mask].float()
    packed = pack_rows(ids, mask, len(ids))
    scale = float(expected.abs().max().clamp(min=1e-6))
    exact = policy.autocast is None and hidden.dtype == torch.float32
    for gradients in (False, True):  # small models compute in another way without
        with torch.set_grad_enabled(gradients), policy.computing():
            found = decoder.hidden(packed.ids, packed.positions, packed.attention()).detach()
        own = found[packed.places_of(packed.index_in_row)][mask].float()
        difference = float((own - expected).abs().max()) / scale
        if not difference <= (1e-4 if exact else 5e-2):
            raise UnsupportedModelError(f"our forward pass differs from it by {difference:.1g}")
    return decoder


def _rows(vocab_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(3, 6) ids from all over the vocabulary, right-padded, and their mask; 2 ids are shared."""
    ids = torch.linspace(0, vocab_size - 1, 18, device=device).long().view(3, 6)
    ids[1:, :2] = ids[0, :2]
    lengths = torch.tensor([[6], [5], [3]], device=device)
    return ids, torch.arange(6, device=device) < lengths
