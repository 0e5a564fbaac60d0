"""What this machine offers to isolate programs with: tried, not guessed from version numbers."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PURPOSES = {
    "limits": "time, memory and file sizes have a limit",
    "landlock": "no file is read but Python's own, none written outside a scratch folder",
    "seccomp": "no network, no other processes, no system calls beyond computing",
    "namespaces": "no other process is seen, the scratch folder is in memory and small",
}
"""Layer -> what it is for."""

STRONG = ("limits", "landlock", "seccomp")
"""What strong isolation can't do without; namespaces are used where they work."""


@dataclass(frozen=True)
class Layer:
    """One means of isolation on this machine."""

    name: str
    purpose: str
    """What holds where it works."""
    missing: str
    """Why it does not work; "" where it does."""


@functools.cache
def layers() -> tuple[Layer, ...]:
    """Try every layer in a process of its own; the answer is kept for this process."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
        result = subprocess.run(
            bare_command("probe", {"scratch": scratch}),
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
        found = dict.fromkeys(PURPOSES, f"the trial broke off: {last}"[:300])
    return tuple(Layer(name, purpose, found[name]) for name, purpose in PURPOSES.items())


def works(name: str) -> bool:
    """Whether the layer called ``name`` works here."""
    return any(layer.name == name and not layer.missing for layer in layers())


def missing_for_strong() -> list[str]:
    """Return what strong isolation lacks here, one line for each layer."""
    return [f"{it.name}: {it.missing}" for it in layers() if it.missing and it.name in STRONG]


def bare_command(module: str, options: dict[str, Any]) -> list[str]:
    """Return the command that runs a module of this package with the standard library alone."""
    entry = Path(__file__).with_name("bare_interpreter.py")
    return [sys.executable, "-I", "-S", "-B", str(entry), module, json.dumps(options)]
