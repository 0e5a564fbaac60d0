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
    "namespaces": "other processes are invisible, the scratch folder is small and in memory",
}
"""Layer -> its purpose."""

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
    return tuple(Layer(name, purpose, found[name]) for name, purpose in PURPOSES.items())


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
