"""``selfcorrect doctor``, as a user runs it, on machines that lack something."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import metadata
from pathlib import Path

import pytest
from rich.console import Console

from selfcorrect_env.cli import machine_checks
from selfcorrect_env.cli.doctor import data
from selfcorrect_env.cli.machine_checks import EXTRAS, devices, disk, packages
from selfcorrect_env.cli.symptoms import Symptom, symptom_table
from selfcorrect_env.problems.hub import PINNED

SCRIPT = Path(sys.executable).parent / "selfcorrect"


def doctor(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100", **variables}
    command = [SCRIPT, "doctor", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def rows(result: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {row["what"]: row for row in json.loads(result.stdout)}


def test_it_says_what_works_and_what_to_do(tmp_path: Path) -> None:
    result = doctor("--json", SELFCORRECT_CACHE=str(tmp_path / "tiny"), HF_HOME=str(tmp_path))
    assert result.returncode == 0, result.stdout
    assert result.stderr == ""
    found = rows(result)
    for what in ("math", "gymnasium", "this folder", "processors", "temporary files"):
        assert found[what]["state"] == "ok"
    assert found["cache of tiny models"]["detail"].startswith(str(tmp_path / "tiny"))
    assert found["cache of the hub"]["detail"].startswith(str(tmp_path))
    assert found["Hugging Face hub"]["detail"] == "HF_HUB_OFFLINE is set"
    assert found["Hugging Face hub"]["advice"] == "unset HF_HUB_OFFLINE"
    assert "--path" in found["openai/gsm8k"]["advice"]
    for row in found.values():
        assert row["state"] == "ok" or row["advice"], row
    console = Console(file=io.StringIO(), width=200)
    console.print(symptom_table([Symptom(**row) for row in found.values()]))
    for word in ("devices", "disk", "isolation", "verifiers", "data", "→ unset HF_HUB_OFFLINE"):
        assert word in console.file.getvalue()


def test_no_id_and_no_extra_is_broken_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    symptoms = [Symptom("data", repo, "missing", "not cached") for repo in PINNED]
    monkeypatch.setattr(machine_checks, "EXTRAS", {f"no-such-{it}": it for it in EXTRAS.values()})
    symptoms += packages()
    console = Console(file=io.StringIO(), width=80)
    console.print(symptom_table(symptoms))
    words = console.file.getvalue().split()
    assert set(PINNED) <= set(words)
    assert {f'"selfcorrect-env[{extra}]"' for extra in EXTRAS.values() if extra} <= set(words)


def test_the_extras_that_it_names_exist() -> None:
    known = set(metadata("selfcorrect-env").get_all("Provides-Extra") or ())
    assert set(EXTRAS.values()) - {""} <= known


def test_it_sees_a_verifier_that_does_not_work(tmp_path: Path) -> None:
    """mpmath that cannot be imported: the reward would be wrong without a word."""
    broken = tmp_path / "mpmath"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('it is damaged')\n")
    result = doctor("--json", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert rows(result)["math"]["state"] == "broken"


def test_a_hub_that_is_silent_is_waited_for_seconds() -> None:
    """It accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        accepted: list[socket.socket] = []
        threading.Thread(target=lambda: accepted.append(server.accept()[0]), daemon=True).start()
        online = {name: v for name, v in os.environ.items() if not name.endswith("_OFFLINE")}
        address = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "NO_PROXY": "127.0.0.1"}
        code = "from selfcorrect_env.cli.doctor import data; print(next(data()))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**online, **address},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        for connection in accepted:
            connection.close()
    assert "state='missing'" in done.stdout
    assert "did not answer within 2.5 s" in done.stdout
    assert "HF_ENDPOINT" in done.stdout


def test_a_variable_that_names_no_file_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "math.jsonl").write_text("")
    monkeypatch.setenv("SELFCORRECT_GSM8K_PATH", str(tmp_path / "none.jsonl"))
    monkeypatch.setenv("SELFCORRECT_MATH_PATH", str(tmp_path / "math.jsonl"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = {symptom.what: symptom for symptom in data()}
    assert found["SELFCORRECT_GSM8K_PATH"].state == "broken"
    assert "correct or unset it" in found["SELFCORRECT_GSM8K_PATH"].advice
    assert found["SELFCORRECT_MATH_PATH"].state == "ok"


def test_a_disk_that_is_full_or_read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SELFCORRECT_CACHE", "/proc/cache")
    monkeypatch.setattr(machine_checks, "LEAST_FREE", 1e30)
    found = {symptom.what: symptom for symptom in disk()}
    assert found["cache of tiny models"].state == "broken"
    assert "SELFCORRECT_CACHE" in found["cache of tiny models"].advice
    assert found["this folder"].state == "missing"
    assert "free some space" in found["this folder"].advice


@pytest.mark.parametrize(
    ("script", "state", "detail"),
    [
        ("echo 'H100, 81559 MiB, 80000 MiB'", "ok", "H100, 81559 MiB, 80000 MiB free"),
        ("exit 9", "missing", "nvidia-smi fails"),
        ("true", "missing", "lists none"),
        ("sleep 60", "missing", "timed out"),
    ],
)
def test_the_driver_is_asked_for_gpus(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, state: str, detail: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec 2>&1\n{script.replace('sleep', 'exec sleep')}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(machine_checks, "TIME_LIMIT", 10 if state == "ok" else 1)
    monkeypatch.setattr(machine_checks, "TORCH_DEVICES", "print('2.0+cpu', False)")
    started = time.monotonic()
    found = {symptom.what: symptom for symptom in devices()}
    assert time.monotonic() - started < 30
    assert found["GPU"].state == state
    assert detail in found["GPU"].detail
    if state == "ok":  # a torch without CUDA beside a GPU is a fault
        assert found["torch on the GPU"].state == "broken"
        assert "build of torch" in found["torch on the GPU"].advice
    else:
        assert "torch on the GPU" not in found


ROCM_SMI = r"""
======================================= Product Info =======================================
GPU[0]\t\t: Card Series: \t\tAMD Instinct MI300X
GPU[0]\t\t: Card Model: \t\t0x74b5
GPU[1]\t\t: Card Series: \t\tAMD Instinct MI300X
================================== End of ROCm SMI Log ====================================="""


@pytest.mark.parametrize(
    ("program", "printed", "state", "detail"),
    [
        ("rocm-smi", ROCM_SMI, "ok", "AMD Instinct MI300X; AMD Instinct MI300X"),
        ("rocm-smi", ROCM_SMI.partition("GPU")[0], "missing", "rocm-smi lists none"),
        (
            "amd-smi",
            "GPU: 0\\n    BDF: 0000:01:00.0\\n\\nGPU: 1\\n",
            "ok",
            "AMD GPU: 0; AMD GPU: 1",
        ),
        ("/dev/kfd", "", "ok", "rocm-smi would say more"),
        (None, "", "missing", "none of nvidia-smi, rocm-smi, amd-smi"),
    ],
)
def test_amds_gpus_are_found_and_torch_is_asked_for_them(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str | None,
    printed: str,
    state: str,
    detail: str,
) -> None:
    if program == "/dev/kfd":
        (tmp_path / "kfd").touch()
    elif program is not None:
        (tmp_path / program).write_text(f"#!/bin/sh\nprintf '{printed}'\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine_checks, "KFD", tmp_path / "kfd")
    monkeypatch.setattr(machine_checks, "TORCH_DEVICES", "print('2.8.0+rocm6.4', True)")
    found = {symptom.what: symptom for symptom in devices()}
    assert found["GPU"].state == state
    assert detail in found["GPU"].detail
    assert ("torch on the GPU" in found) is (state == "ok")
    if state == "ok":
        assert found["torch on the GPU"].detail == "torch 2.8.0+rocm6.4"


def test_a_package_that_is_missing_comes_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "EXTRAS", {"no-such-package": "sb3", "nor-this": ""})
    _, optional, required = packages()
    assert (optional.state, required.state) == ("missing", "broken")
    assert optional.advice == 'pip install "selfcorrect-env[sb3]"'
