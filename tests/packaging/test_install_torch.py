"""scripts/install_torch.py: which build of torch is taken, and that a present one is kept."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest

CUDA_X86 = {
    "version": "2.13.0",
    "requires_dist": [
        "filelock",
        'cuda-bindings<14,>=13.0.3; platform_system == "Linux"',
        'nvidia-nccl-cu13==2.29.7; platform_system == "Linux"',
    ],
}
CUDA_ON_X86_ONLY = {
    "version": "2.8.0",
    "requires_dist": [
        "filelock",
        'nvidia-nccl-cu12==2.27.3; platform_system == "Linux" and platform_machine == "x86_64"',
    ],
}
TAGGED_CPU = {"version": "2.13.0+cpu", "requires_dist": ["filelock"]}
UNTAGGED_CPU = {"version": "2.13.0", "requires_dist": ["filelock"]}


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "install_torch", root / "scripts" / "install_torch.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("metadata", "system", "machine", "expected"),
    [
        (CUDA_X86, "Linux", "x86_64", False),
        (CUDA_X86, "Linux", "aarch64", False),
        (CUDA_X86, "Darwin", "arm64", True),
        (CUDA_X86, "Windows", "AMD64", True),
        (CUDA_ON_X86_ONLY, "Linux", "x86_64", False),
        (CUDA_ON_X86_ONLY, "Linux", "aarch64", True),
        (TAGGED_CPU, "Linux", "x86_64", True),
        (UNTAGGED_CPU, "Linux", "x86_64", True),
    ],
)
def test_a_cpu_build_is_told_from_a_cuda_build(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    metadata: dict,
    system: str,
    machine: str,
    expected: bool,
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert script.is_cpu_build(metadata) is expected


def test_a_torch_that_is_there_is_kept(root: Path) -> None:
    import torch

    done = subprocess.run(
        [sys.executable, str(root / "scripts" / "install_torch.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"torch: keeping torch {torch.__version__}, which is already installed\n"


def test_the_range_is_that_of_the_agents_extra(script: ModuleType) -> None:
    declared = [line for line in requires("selfcorrect-env") or [] if re.match(r"torch\b", line)]
    assert {line.split(";")[0].strip() for line in declared} == {script.REQUIREMENT}
