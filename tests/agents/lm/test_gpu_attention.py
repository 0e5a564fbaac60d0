"""Attention by cuDNN is switched off where a model is on a GPU, and only there."""

from collections.abc import Iterator

import pytest
import torch

from selfcorrect_agents.lm.gpu_attention import without_cudnn_attention
from selfcorrect_agents.lm.loading import load_policy


@pytest.fixture(autouse=True)
def switched_on() -> Iterator[None]:
    if not hasattr(torch.backends.cuda, "enable_cudnn_sdp"):
        pytest.skip("this PyTorch has no attention by cuDNN")
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    torch.backends.cuda.enable_cudnn_sdp(before)


def test_it_is_switched_off_and_nothing_else_is() -> None:
    others = (
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
    )
    assert without_cudnn_attention()
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert others == (
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
    )


def test_a_policy_on_a_cpu_leaves_it_on() -> None:
    load_policy("tiny:seed=0")
    assert torch.backends.cuda.cudnn_sdp_enabled()
