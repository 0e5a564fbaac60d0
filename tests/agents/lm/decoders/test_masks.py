"""What autograd keeps of a pass over rows that share a prompt: one mask for all layers."""

from collections.abc import Callable

import pytest
import torch

from selfcorrect_agents.lm.decoders import pack_rows
from selfcorrect_agents.lm.policy import Policy


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_mask_is_kept_for_all_layers(
    make_policy: Callable[..., Policy], dtype: torch.dtype
) -> None:
    policy = make_policy("qwen2", dtype=dtype)
    ids = torch.randint(3, policy.vocab_size, (4, 60))
    ids[:, :10] = ids[:1, :10]
    packed = pack_rows(ids, torch.ones_like(ids, dtype=torch.bool), 4)
    prompt = int(packed.prompt_lengths[0])
    kept, alive = set[int](), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape[-2:] == (60 - prompt, 60):
            kept.add(tensor.untyped_storage().data_ptr())
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.packed_hidden(packed)
    assert policy.config.num_hidden_layers > 1
    assert len(kept) == 1
    assert bool(policy.packed_hidden(packed).isfinite().all())
