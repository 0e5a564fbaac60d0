"""`free_memory`: bytes that this process may still take on a device."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_CGROUPS = (
    ("/sys/fs/cgroup", "", "memory.max", "memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory",
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Folder, name in ``/proc/self/cgroup``, files of the limit and of what is used, and the name in
``memory.stat`` of those cached pages that the kernel gives up first: versions 2 and 1 of control
groups."""


def free_memory(device: torch.device) -> int:
    """Return how many bytes are free on a device: of a GPU, or of this machine's memory.

    Of a GPU, blocks that PyTorch keeps and doesn't use count as free.

    On Linux it is what the kernel calls available, or what is left below the limit of the
    process's control group, or of one above it, if that is less. Files that were read and can be
    dropped from the cache count as free. On other systems it is all physical memory.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    own = own_groups()
    left = [
        free_in_group(group, *names)
        for root, version, *names in _CGROUPS
        for group in groups_from(Path(root), own.get(version, "/"))
    ]
    return min([_available(), *(free for free in left if free is not None)])


def own_groups(file: Path = Path("/proc/self/cgroup")) -> dict[str, str]:
    """Return the paths of this process's control groups, by controller; "" is that of version 2.

    Args:
        file: its lines are as ``4:memory:/jobs/7`` or ``0::/user.slice/jobs``.
    """
    try:
        lines = [line.split(":", 2) for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {name: path for _, names, path in lines for name in names.split(",")}


def groups_from(root: Path, path: str) -> list[Path]:
    """Return the folders of a control group and of those above it, up to ``root``.

    Within a container the path may be that of the host, which is not there: ``root`` is.
    """
    own = root / path.lstrip("/")
    return [own, *(above for above in own.parents if above.is_relative_to(root))]


def free_in_group(folder: Path, limit: str, usage: str, cached: str) -> int | None:
    """Return the bytes that are left in a control group; None if it has no limit.

    Args:
        folder: of the control group.
        limit: the file of its limit.
        usage: the file of the bytes that are used, cached files included.
        cached: the line in ``memory.stat`` of the bytes of files that can be dropped.
    """
    most, used = _number(folder / limit), _number(folder / usage)
    if most is None or used is None:
        return None
    return min(most, max(0, most - used + _cached(folder, cached)))


def _cached(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return int(dict(line.split(" ", 1) for line in lines).get(name, 0))


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    sizes = dict(line.split(":", 1) for line in lines)
    return 1024 * int(sizes["MemAvailable"].split()[0])


def _number(path: Path) -> int | None:
    """Return the number in a file; None if there is no such file, or no limit in it."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
