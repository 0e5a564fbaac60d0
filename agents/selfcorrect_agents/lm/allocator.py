"""`return_freed_memory`: freed tensors go back to the system, not to the C library's heap."""

from __future__ import annotations

import ctypes
import sys

THRESHOLD = 1 << 20
"""Bytes from which a block is a mapping of its own."""

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def return_freed_memory() -> bool:
    """Let glibc give blocks of at least `THRESHOLD` bytes back to the system when they are freed.

    By default this threshold grows with the blocks that are freed, up to 32 MiB, and blocks below
    it stay in the heap of the process, in pieces that later tensors do not fit into. Where tensors
    are large, the memory that is kept so is a multiple of what is in use. The price is that the
    system clears the pages of each new block.

    Returns:
        Whether it was set: the process runs on Linux with glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, THRESHOLD))
    except (OSError, AttributeError):  # another C library
        return False
