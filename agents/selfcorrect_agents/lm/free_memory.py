"""`free_memory`: bytes that this process may still take on a device."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_memory(device: torch.device) -> int:
    """Return how many bytes are free on a device: of a GPU, or of this machine's memory.

    On Linux it is what the kernel calls available, or what is left below the limit of the
    process's control group if that is less; on other systems, all physical memory.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = _available()
    for limit, usage in _CGROUPS:
        most, used = _number(limit), _number(usage)
        if most is not None and used is not None:
            available = min(available, max(0, most - used))
    return available


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    sizes = dict(line.split(":", 1) for line in lines)
    return 1024 * int(sizes["MemAvailable"].split()[0])


def _number(path: str) -> int | None:
    """Return the number in a file; None if there is no such file, or no limit in it."""
    try:
        text = Path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
