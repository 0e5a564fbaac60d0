"""Where programs run: on this machine, in containers, or in a sandbox of another package.

A backend judges jobs; `CodeVerifier(backend=...)` chooses one. A name refers to one of ours, to an
entry point in the group ``selfcorrect_env.backends``, or is an import path ``"module:attribute"``.
It is called with ``deadline``, ``workers``, ``memory`` and ``isolation``, and returns a `Backend`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from selfcorrect_env.errors import SandboxError
from selfcorrect_env.plugins import Registry
from selfcorrect_env.sandbox.jobs import Job, Outcome


@runtime_checkable
class Backend(Protocol):
    """Judges programs by tests. It must be usable from several threads."""

    def run_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Judge programs; return the outcomes in order.

        A job that could not be judged has an outcome with ``broken``; no program can cause that.
        """
        ...

    def close(self) -> None:
        """Free what is idle; a later call starts again."""
        ...


BACKENDS = Registry(
    "sandbox backend",
    "selfcorrect_env.backends",
    {
        "local": "selfcorrect_env.sandbox.pool:Sandbox",
        "docker": "selfcorrect_env.sandbox.container:docker",
        "podman": "selfcorrect_env.sandbox.container:podman",
    },
    error=SandboxError,
)


def open_backend(backend: str | Backend, **options: Any) -> Backend:
    """Return a backend by name, or the given one, which has options of its own.

    Args:
        backend: a name, an import path or a backend.
        options: ``deadline`` (seconds), ``workers``, ``memory`` (bytes), ``isolation``.

    Raises:
        UnknownNameError: nothing has this name.
        SandboxError: it cannot be imported, or what it returns is no backend.
    """
    made = BACKENDS.load(backend)(**options) if isinstance(backend, str) else backend
    if not isinstance(made, Backend):
        raise SandboxError(
            f"The sandbox backend {backend!r} is a {type(made).__name__} without run_all and close."
        )
    return made
