"""Install torch into the Python that runs this script, as a CPU build where one will do.

On Linux the build of torch that a plain ``pip install torch`` takes brings several gigabytes of
CUDA libraries. This script takes the first of these that applies, and says which and why:

1. torch can be imported already: keep it.
2. There is an NVIDIA GPU: a plain ``pip install`` (the CUDA build).
3. The release that pip would take from the configured indexes is a CPU build: take it.
4. PyTorch's own CPU index can be reached: take the CPU build there.
5. Else: a plain ``pip install``, with a warning about its size.

The ranges of the package's own requirements are satisfied by all of these. Run it with the
Python of a virtual environment; it needs the standard library and pip only.
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
"""The range that the package's ``agents`` extra asks for."""

RELEASE = "2.13.0"
"""The release to look for as a CPU build: the one that the project is tested with."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

OLDEST_PIP = (23, 3)
"""The first pip whose ``--dry-run`` reads a wheel's metadata without downloading the wheel."""


def main() -> int:
    """Install torch and return an exit status."""
    present = installed_torch()
    if present:
        say(f"keeping torch {present}, which is installed already")
        return 0
    if has_nvidia_gpu():
        say("an NVIDIA GPU is present: taking the build that pip prefers")
        return pip_install(REQUIREMENT)
    upgrade_old_pip()
    found = what_pip_would_take(f"torch=={RELEASE}")
    if found and is_cpu_build(found):
        version = found["version"]
        say(f"no NVIDIA GPU, and pip's indexes hold a CPU build: taking torch {version}")
        return pip_install(f"torch=={version}")
    say(f"no NVIDIA GPU: trying the CPU build at {CPU_INDEX}")
    if install_from_cpu_index() == 0:
        return 0
    say(
        "WARNING: no CPU build of torch can be had here, so pip's preferred build is taken. "
        "On Linux that may be several gigabytes of CUDA libraries. To avoid them, stop now, "
        "install a CPU build of torch into this environment yourself and run make again."
    )
    return pip_install(REQUIREMENT)


def say(message: str) -> None:
    print(f"torch: {message}", flush=True)


def pip(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]


def pip_install(*arguments: str) -> int:
    return subprocess.run(pip("install", *arguments), check=False).returncode


def installed_torch() -> str | None:
    """Return the version of a torch that imports, or None."""
    command = [sys.executable, "-c", "import torch; print(torch.__version__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def has_nvidia_gpu() -> bool:
    """Say whether ``nvidia-smi`` is there and lists at least one GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        done = subprocess.run(
            [tool, "--list-gpus"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"nvidia-smi does not work ({error}): going on as if there were no NVIDIA GPU")
        return False
    return done.returncode == 0 and "GPU" in done.stdout


def upgrade_old_pip() -> None:
    """Upgrade a pip that would download a whole wheel to tell its metadata."""
    done = subprocess.run(pip("--version"), capture_output=True, text=True, check=True)
    version = done.stdout.split()[1]
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_PIP:
        return
    wanted = ".".join(map(str, OLDEST_PIP))
    say(f"pip {version} is too old to ask about a build without downloading it: upgrading it")
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
            say(f"pip's indexes hold no {requirement}: {last_line(done.stderr)}")
            return None
        return json.loads(report.read_text(encoding="utf-8"))["install"][0]["metadata"]


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "pip does not say why"


def is_cpu_build(metadata: dict) -> bool:
    """Say whether a wheel of torch brings no CUDA on this machine.

    A CPU build says so in its version (``+cpu``); the builds for macOS and Windows on the
    package index are CPU builds; and a CUDA build for Linux requires NVIDIA's libraries.
    """
    if metadata["version"].endswith("+cpu") or platform.system() in ("Darwin", "Windows"):
        return True
    return not any(
        requirement.startswith(("nvidia-", "cuda-")) and applies_here(requirement)
        for requirement in metadata.get("requires_dist", [])
    )


def applies_here(requirement: str) -> bool:
    """Say whether a requirement's marker, if it names a kind of processor, names this one."""
    return "platform_machine" not in requirement or platform.machine() in requirement


def install_from_cpu_index() -> int:
    return pip_install(
        *("--index-url", CPU_INDEX, "--timeout", "10", "--retries", "0"), f"torch=={RELEASE}+cpu"
    )


if __name__ == "__main__":
    sys.exit(main())
