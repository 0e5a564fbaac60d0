"""`CapturedStep`: a decoding step as a CUDA graph.

A step of decoding launches hundreds of small kernels, and on a GPU it takes as long as launching
them. A CUDA graph records the launches once and repeats them at once, on the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class CapturedStep:
    """A function of tensors that stay where they are, recorded once; a call runs it.

    Args:
        step: changes ``state`` in place and returns a tensor. It does not wait for the device, and
            running it twice from the same state writes the same values elsewhere: it runs once
            before it is recorded, so that libraries allocate what they need.
        state: the tensors that it changes, on a GPU; they are as before after recording.
    """

    def __init__(self, step: Callable[[], Tensor], state: Sequence[Tensor]) -> None:
        before = [tensor.clone() for tensor in state]
        with torch.cuda.device(state[0].device):  # streams are of the current one
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                step()
            torch.cuda.current_stream().wait_stream(stream)
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                self._result = step()

    def __call__(self) -> Tensor:
        """Run the step; the returned tensor is overwritten by the next call."""
        self._graph.replay()
        return self._result
