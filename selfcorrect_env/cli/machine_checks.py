"""Checks of the machine for ``selfcorrect doctor``: devices, disk, caches, packages."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from selfcorrect_env.caches import cache_folder, hub_folder
from selfcorrect_env.cli.symptoms import Symptom

EXTRAS = {
    "gymnasium": "",
    "numpy": "",
    "rapidfuzz": "",
    "sympy": "",
    "mpmath": "",
    "datasets": "data",
    "torch": "agents",
    "transformers": "agents",
    "peft": "agents",
    "accelerate": "agents",
    "tensorboard": "agents",
    "bitsandbytes": "8bit",
    "openai": "openai",
    "stable-baselines3": "sb3",
    "reasoning-gym": "reasoning-gym",
    "skyrl-gym": "skyrl",
    "openenv": "openenv",
    "verifiers": "verifiers",
    "trl": "trl",
    "tinker": "tinker",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
"""Package -> the extra that installs it; "" for a requirement of the package itself."""

LEAST_FREE = 2e9
"""Bytes below which a disk is reported: a checkpoint of a small model has about as many."""

DRIVERS = {
    "nvidia-smi": (
        ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader"),
        r"(?m)^.*\S",
        "{} free",
    ),
    "rocm-smi": (("--showproductname",), r"Card [Ss]eries:\s*(.*\S)", "{}"),
    "amd-smi": (("list",), r"(?m)^GPU: \d+", "AMD {}"),
}
"""Program of a driver -> its arguments, what it prints for each GPU, and how that is shown."""

KFD = Path("/dev/kfd")
"""Where Linux has an AMD GPU that computes, also in containers without a driver's program."""

TORCH_DEVICES = "import torch; print(torch.__version__, torch.cuda.is_available())"
TIME_LIMIT = 60
"""Seconds that a program which this module starts may take."""


def devices() -> Iterator[Symptom]:
    """Check the interpreter, the processors, the memory and the GPU."""
    where = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Symptom("devices", f"Python {platform.python_version()}", "ok", where)
    memory = _memory()
    size = "" if memory is None else f", {memory / 1e9:.1f} GB of memory"
    yield Symptom("devices", "processors", "ok", f"{_processors()} may be used{size}")
    gpu = _gpu()
    yield gpu
    if gpu.state == "ok":
        yield from _torch_sees_gpu()


def packages() -> Iterator[Symptom]:
    """Check what is installed; for what is missing, name the extra that brings it."""
    yield Symptom("packages", "selfcorrect-env", "ok", version("selfcorrect-env"))
    for name, extra in EXTRAS.items():
        try:
            yield Symptom("packages", name, "ok", version(name))
        except PackageNotFoundError:
            if extra:
                advice = f'pip install "selfcorrect-env[{extra}]"'
                yield Symptom("packages", name, "missing", "optional", advice)
            else:
                advice = "pip install selfcorrect-env"
                yield Symptom("packages", name, "broken", "required and not installed", advice)


def disk() -> Iterator[Symptom]:
    """Check the folders that are written to, and the space that is left there."""
    folders = {
        "this folder": (Path.cwd(), "runs are written here; --out names another folder"),
        "temporary files": (Path(tempfile.gettempdir()), "TMPDIR names another folder"),
        "cache of tiny models": (cache_folder(), "SELFCORRECT_CACHE names another folder"),
        "cache of the hub": (hub_folder(), "HF_HOME names another folder"),
    }
    for what, (folder, advice) in folders.items():
        yield _folder(what, folder, advice)


def _folder(what: str, folder: Path, advice: str) -> Symptom:
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"x")
        free = shutil.disk_usage(existing).free
    except OSError as error:
        reason = error.strerror or str(error)
        return Symptom("disk", what, "broken", f"{folder}: cannot be written: {reason}", advice)
    detail = f"{folder}: {free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        return Symptom("disk", what, "missing", detail, f"free some space; {advice}")
    return Symptom("disk", what, "ok", detail)


def _gpu() -> Symptom:
    """Ask the drivers' programs: this package does not import torch."""
    asked = [_driver(name, path) for name in DRIVERS if (path := shutil.which(name))]
    if not asked and KFD.exists():
        return Symptom("devices", "GPU", "ok", f"AMD's {KFD}; rocm-smi would say more")
    if not asked:
        found = f"none of {', '.join(DRIVERS)}, so no NVIDIA or AMD GPU is usable"
        return Symptom("devices", "GPU", "missing", found, "models run on the CPU: small ones only")
    return next((symptom for symptom in asked if symptom.state == "ok"), asked[0])


def _driver(name: str, path: str) -> Symptom:
    """Ask one driver's program for its GPUs."""
    arguments, line, shown = DRIVERS[name]
    try:
        names = "; ".join(map(shown.format, re.findall(line, _run([path, *arguments]))))
    except (OSError, subprocess.SubprocessError) as error:
        advice = "check the GPU's driver"
        return Symptom("devices", "GPU", "missing", f"{name} fails: {error}", advice)
    if not names:
        return Symptom("devices", "GPU", "missing", f"{name} lists none")
    return Symptom("devices", "GPU", "ok", names)


def _torch_sees_gpu() -> Iterator[Symptom]:
    """Check, in a process of its own, that the installed torch can use the GPU."""
    try:
        version("torch")
    except PackageNotFoundError:
        return
    try:
        build, usable = _run([sys.executable, "-c", TORCH_DEVICES]).split()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield Symptom("devices", "torch on the GPU", "broken", str(error), "reinstall torch")
        return
    if usable == "True":
        yield Symptom("devices", "torch on the GPU", "ok", f"torch {build}")
    else:
        advice = "install a build of torch for the driver (CUDA, ROCm): https://pytorch.org"
        found = f"torch {build} sees no GPU"
        yield Symptom("devices", "torch on the GPU", "broken", found, advice)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True)
    return done.stdout


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int | None:
    """Return the bytes of memory, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
