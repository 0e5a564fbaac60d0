"""Programs in containers: a backend that needs a container runtime, and no fork on this side.

Each worker has one container, in which a zygote forks a process for each program. The checker stays
on this side, so the tests never enter the container. On Linux, the layers of strong isolation are
used inside the container as far as it allows them. A deadline here is one of wall-clock time.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.sandbox.layers import missing_for_strong
from selfcorrect_env.sandbox.pair import Pair, Settings
from selfcorrect_env.sandbox.pool import MEBIBYTE, Isolation, Sandbox
from selfcorrect_env.sandbox.process import WarmProcess
from selfcorrect_env.sandbox.relay import Relay
from selfcorrect_env.sandbox.remote_zygote import CODE
from selfcorrect_env.sandbox.trial import failure_of

IMAGE = "python:3.11-slim"
"""The default image; any with ``python3`` ≥ 3.10 will do."""
OVERHEAD = 256 * MEBIBYTE
"""Bytes of memory that a container has beyond a program's limit."""
SCRATCH = "/tmp:size=16m,mode=1777"


class ContainerSandbox(Sandbox):
    """Runs programs in containers, and judges them as `Sandbox` does.

    Args:
        runtime: the command of the container runtime, such as ``("docker",)`` or
            ``("sudo", "podman")``.
        image: the image, which must have ``python3``; it should be there before the first program.
        deadline, workers, memory, isolation: see `Sandbox`; with ``"basic"``, the container is the
            only isolation.

    Raises:
        SandboxError: the runtime does not run a program.
    """

    def __init__(
        self,
        runtime: Sequence[str],
        *,
        image: str = IMAGE,
        deadline: float = 5.0,
        workers: int = 2,
        memory: int = 512 * MEBIBYTE,
        isolation: Isolation = "strong",
    ) -> None:
        self._command = [*runtime, *flags(memory), image, "python3", "-I", "-S", "-B", "-c", CODE]
        super().__init__(deadline=deadline, workers=workers, memory=memory, isolation=isolation)

    def _find_settings(self, deadline: float, memory: int, isolation: Isolation) -> Settings:
        settings = Settings(deadline, memory, strong=True, namespaces=False)
        failures = []
        for strong in (True, False) if isolation == "strong" else (False,):
            settings = Settings(
                deadline,
                memory,
                strong=strong,
                namespaces=False,
                confined_checker=not missing_for_strong(),
            )
            failure = failure_of(partial(self._new_pair, settings), probe=strong)
            if not failure:
                return settings
            failures.append(failure)
        raise SandboxError(
            f"A program fails in a container of {self._command[0]!r}: {failures[-1]}. Check that "
            f"`{' '.join(self._command[:2])}` works and that the image has python3."
        )

    def _new_pair(self, settings: Settings) -> Pair:
        return Pair(settings, partial(ContainerZygote, self._command))


class ContainerZygote(WarmProcess):
    """A zygote in a container."""

    def __init__(self, command: Sequence[str], module: str, options: dict[str, Any]) -> None:
        self._command = command
        super().__init__(module, options)

    def _spawn(self, options: dict[str, Any], control: Any) -> subprocess.Popen[bytes]:
        task = json.dumps({"sources": _sources(), "options": {**options, "core": None}}).encode()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C must reach the owner only
        )
        relaying = threading.Thread(
            target=_relay, args=(process, control.dup(), task), name="container", daemon=True
        )
        relaying.start()
        return process


def flags(memory: int) -> list[str]:
    """Return the options of ``docker run`` for a program with this memory limit, in bytes."""
    total = f"{(memory + OVERHEAD) // MEBIBYTE}m"
    return [
        *("run", "--rm", "-i", "--network", "none", "--read-only", "--tmpfs", SCRATCH),
        *("--memory", total, "--memory-swap", total, "--cpus", "1", "--pids-limit", "64"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534"),
    ]


def _relay(process: subprocess.Popen[bytes], control: Any, task: bytes) -> None:
    """Carry a container's streams, in a thread, until the container or the pair ends."""
    with control, cast(Any, process.stdin) as incoming, cast(Any, process.stdout) as outgoing:
        try:
            for part in (len(task).to_bytes(8, "big"), task):
                rest = memoryview(part)
                while rest:
                    rest = rest[incoming.write(rest) :]
        except OSError:  # the command ended; the pair finds the socket closed
            return
        Relay(outgoing.fileno(), incoming.fileno(), control).run()


def _sources() -> dict[str, str]:
    """Return the source of each module that a zygote may need; "" for a package."""
    folder = Path(__file__).parent
    packages = {"selfcorrect_env": "", "selfcorrect_env.sandbox": ""}
    return packages | {
        f"selfcorrect_env.sandbox.{path.stem}": path.read_text(encoding="utf-8")
        for path in folder.glob("*.py")
        if path.stem != "__init__"
    }


def docker(**options: Any) -> ContainerSandbox:
    """Return a sandbox in containers of Docker."""
    return ContainerSandbox(("docker",), **options)


def podman(**options: Any) -> ContainerSandbox:
    """Return a sandbox in containers of Podman."""
    return ContainerSandbox(("podman",), **options)
