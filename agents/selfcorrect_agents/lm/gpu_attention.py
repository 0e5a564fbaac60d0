"""`without_cudnn_attention`: attention on a GPU by kernels whose gradients are finite."""

from __future__ import annotations

from typing import Any

import torch


def without_cudnn_attention() -> bool:
    """Keep PyTorch from computing attention by cuDNN, in the whole process.

    On H100 and H200, cuDNN's backward pass returns gradients that are not a number for some lengths
    (64 more than a multiple of 128) if there is a mask and all scores of a query are below about
    −89, which they are in some heads of Qwen2.5 0.5B (PyTorch issue 196678; since PyTorch 2.11 it
    is the kernel that is chosen there). The other kernels compute the same attention.

    Returns:
        Whether this PyTorch has attention by cuDNN.
    """
    switch: Any = getattr(torch.backends.cuda, "enable_cudnn_sdp", None)
    if switch is not None:
        switch(False)
    return switch is not None
