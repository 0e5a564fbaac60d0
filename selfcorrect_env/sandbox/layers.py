"""Isolation layers that work on this machine, found by trying them, not from version numbers."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PURPOSES = {
    "limits": "time, memory and file sizes have a limit",
    "landlock": "reads only Python's own files, writes only in a scratch folder",
    "seccomp": "no network, no other processes, only the system calls of computing",
    "namespaces": "no other process or file is visible, the scratch folder is small, in memory",
}
"""Layer -> its purpose."""

REMEDIES = {
    "limits": "use Linux",
    "landlock": "use Linux 5.13 or newer with landlock among its security modules (boot option "
    "lsm=landlock,...) and, in a container, a seccomp profile that allows its calls",
    "seccomp": "use Linux on x86-64 or ARM64 with CONFIG_SECCOMP_FILTER",
    "namespaces": "on a host, allow user namespaces (sysctl user.max_user_namespaces=10000, "
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, as far "
    "as it has these); in a container, run it with a seccomp profile that allows unshare, mount, "
    "umount2, pivot_root and mount_setattr (docker run --security-opt seccomp=FILE). Without "
    "them, programs are isolated by the other layers, cannot write files, and can find out which "
    "files and processes exist",
}
"""Layer -> how to get it, and what its absence means."""

STRONG = ("limits", "landlock", "seccomp")
"""Layers that strong isolation requires; namespaces are used if they work."""


@dataclass(frozen=True)
class Layer:
    """An isolation layer, and whether it works on this machine."""

    name: str
    purpose: str
    """What the layer guarantees if it works."""
    missing: str
    """Why it does not work; "" if it works."""
    remedy: str
    """How to get it, if it does not work."""


@functools.cache
def layers() -> tuple[Layer, ...]:
    """Try every layer in a separate process; the result is cached."""
    result = subprocess.run(
        bare_command("probe", {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={},
        cwd="/",
        check=False,
    )
    try:
        found = json.loads(result.stdout)
    except ValueError:
        last = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        found = dict.fromkeys(PURPOSES, f"the trial failed: {last}"[:300])
    return tuple(
        Layer(name, purpose, found[name], REMEDIES[name]) for name, purpose in PURPOSES.items()
    )


def works(name: str) -> bool:
    """Return whether the layer ``name`` works on this machine."""
    return any(layer.name == name and not layer.missing for layer in layers())


def missing_for_strong() -> list[str]:
    """Return the layers that strong isolation lacks on this machine, one line each."""
    return [f"{it.name}: {it.missing}" for it in layers() if it.missing and it.name in STRONG]


def bare_command(module: str, options: dict[str, Any]) -> list[str]:
    """Return the command that runs a module of this package with only the standard library."""
    entry = Path(__file__).with_name("bare_interpreter.py")
    return [sys.executable, "-I", "-S", "-B", str(entry), module, json.dumps(options)]
