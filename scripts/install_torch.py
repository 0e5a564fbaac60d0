"""Install torch into the Python that runs this script, as a CPU build if there is no GPU.

On Linux a plain ``pip install torch`` installs several gigabytes of CUDA libraries. This script
takes the first of these options that applies, and prints which one and why:

1. torch can already be imported: keep it.
2. There is an NVIDIA GPU: a plain ``pip install`` (the CUDA build).
3. The release that pip would take from the configured indexes is a CPU build: take it.
4. PyTorch's CPU index is reachable: take the CPU build from there.
5. Otherwise: a plain ``pip install``, with a warning about its size.

All of these satisfy the version ranges that the package requires. Run the script with the
Python of a virtual environment; it needs only the standard library and pip.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "torch>=2.4"
"""The version range that the package's ``agents`` extra requires."""

RELEASE = "2.13.0"
"""The release to look for as a CPU build: the one that the project is tested with."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

OLDEST_PIP = (23, 3)
"""The first pip whose ``--dry-run`` reads a wheel's metadata without downloading the wheel."""


def main() -> int:
    """Install torch and return an exit status."""
    present = installed_torch()
    if present:
        say(f"keeping torch {present}, which is already installed")
        return 0
    if has_nvidia_gpu():
        say("an NVIDIA GPU is present: taking the build that pip selects")
        return pip_install(REQUIREMENT)
    upgrade_old_pip()
    found = what_pip_would_take(f"torch=={RELEASE}")
    if found and is_cpu_build(found):
        version = found["version"]
        say(f"no NVIDIA GPU, and pip's indexes have a CPU build: taking torch {version}")
        return pip_install(f"torch=={version}")
    say(f"no NVIDIA GPU: trying the CPU build at {CPU_INDEX}")
    if install_from_cpu_index() == 0:
        return 0
    say(
        "WARNING: no CPU build of torch is available, so this installs the build that pip selects. "
        "On Linux that may be several gigabytes of CUDA libraries. To avoid them, stop now, "
        "install a CPU build of torch into this environment and run make again."
    )
    return pip_install(REQUIREMENT)


def say(message: str) -> None:
    print(f"torch: {message}", flush=True)


def pip(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]


def pip_install(*arguments: str) -> int:
    return subprocess.run(pip("install", *arguments), check=False).returncode


def installed_torch() -> str | None:
    """Return the version of the installed torch, or None if it cannot be imported."""
    command = [sys.executable, "-c", "import torch; print(torch.__version__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def has_nvidia_gpu() -> bool:
    """Return whether ``nvidia-smi`` is installed and lists at least one GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        done = subprocess.run(
            [tool, "--list-gpus"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"nvidia-smi does not work ({error}): assuming that there is no NVIDIA GPU")
        return False
    return done.returncode == 0 and "GPU" in done.stdout


def upgrade_old_pip() -> None:
    """Upgrade pip if it has to download a whole wheel to read its metadata."""
    done = subprocess.run(pip("--version"), capture_output=True, text=True, check=True)
    version = done.stdout.split()[1]
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_PIP:
        return
    wanted = ".".join(map(str, OLDEST_PIP))
    say(f"pip {version} cannot inspect a build without downloading it: upgrading pip")
    subprocess.run(pip("install", "--quiet", "--upgrade", f"pip>={wanted}"), check=True)


def what_pip_would_take(requirement: str) -> dict | None:
    """Return the metadata of the wheel that pip would install, or None if it finds none."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ("--dry-run", "--no-deps", "--ignore-installed", "--quiet")
        done = subprocess.run(
            pip("install", *options, "--report", str(report), requirement),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            say(f"pip's indexes have no {requirement}: {last_line(done.stderr)}")
            return None
        return json.loads(report.read_text(encoding="utf-8"))["install"][0]["metadata"]


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "pip gave no reason"


def is_cpu_build(metadata: dict) -> bool:
    """Return whether a wheel of torch installs no CUDA on this machine.

    The version of a CPU build ends with ``+cpu``; the builds for macOS and Windows on the
    package index are CPU builds; and a CUDA build for Linux requires NVIDIA's libraries.
    """
    if metadata["version"].endswith("+cpu") or platform.system() in ("Darwin", "Windows"):
        return True
    return not any(
        requirement.startswith(("nvidia-", "cuda-")) and applies_here(requirement)
        for requirement in metadata.get("requires_dist", [])
    )


def applies_here(requirement: str) -> bool:
    """Return whether a requirement's marker names this processor type, or none at all."""
    return "platform_machine" not in requirement or platform.machine() in requirement


def install_from_cpu_index() -> int:
    return pip_install(
        *("--index-url", CPU_INDEX, "--timeout", "10", "--retries", "0"), f"torch=={RELEASE}+cpu"
    )


if __name__ == "__main__":
    sys.exit(main())
