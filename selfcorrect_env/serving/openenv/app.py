"""The server: a FastAPI application of OpenEnv over our sessions, and its address."""

# pyright: reportMissingImports=false
from __future__ import annotations

import errno
import functools
import socket
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from openenv.core.env_server.http_server import create_app

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import (
    EpisodeError,
    ProblemSetError,
    RequestError,
    SelfCorrectError,
    UsageError,
)
from selfcorrect_env.problems.splits import SHARES
from selfcorrect_env.serving.openenv.environment import ServedEnvironment
from selfcorrect_env.serving.openenv.models import (
    SelfCorrectAction,
    SelfCorrectObservation,
    SelfCorrectState,
)
from selfcorrect_env.serving.openenv.size_limit import SizeLimit
from selfcorrect_env.serving.plain import plain_env

SESSIONS = 64
"""Sessions at once, unless another number is given."""

BACKLOG = 2048
"""Connections that may wait to be accepted."""

MESSAGE_BYTES = 16 * 2**20
"""The largest message and the largest body that the server reads."""

SPLITS = ("test", *(name for name in SHARES if name != "test"))
"""The splits that a server offers if the problem set has them; the first is the default."""


def build_app(
    envs: Mapping[str, SelfCorrectEnv], *, name: str = "selfcorrect", sessions: int = SESSIONS
) -> FastAPI:
    """Return the server's application, for uvicorn or another ASGI server.

    Args:
        envs: an environment for each split (`load_splits`); the first split is the default.
        name: the environment's name in the routes of the task API: ``/{name}/splits`` …
        sessions: the number of sessions that may be open at once, >= 1.
    """
    app = create_app(
        functools.partial(ServedEnvironment, envs, name),
        SelfCorrectAction,
        SelfCorrectObservation,
        env_name=name,
        max_concurrent_envs=sessions,
        state_cls=SelfCorrectState,
    )
    for error, status in ((EpisodeError, 409), (RequestError, 422)):
        app.add_exception_handler(error, functools.partial(_answer, status))
    app.add_middleware(SizeLimit, most=MESSAGE_BYTES)
    return app


def load_splits(
    env: str | Callable[[str], SelfCorrectEnv],
) -> tuple[dict[str, SelfCorrectEnv], dict[str, str]]:
    """Return the environments of the splits that can be loaded, and why others cannot.

    Args:
        env: an environment's id, or a function that returns the environment of a split of `SPLITS`.

    Raises:
        SelfCorrectError: no split can be loaded.
    """
    envs: dict[str, SelfCorrectEnv] = {}
    missing: dict[str, SelfCorrectError] = {}
    for split in SPLITS:
        try:
            envs[split] = plain_env(env, split=split) if isinstance(env, str) else env(split)
        except (ProblemSetError, UsageError) as error:
            missing[split] = error
    if not envs:
        raise missing[SPLITS[0]]
    return envs, {split: str(error) for split, error in missing.items()}


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 takes a free one.

    Raises:
        UsageError: the address is in use or cannot be used.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be in 0..65535, got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} of {host} is in use. Choose another with --port; --port 0 takes a "
                "free one."
            ) from error
        reason = error.strerror or str(error)
        raise UsageError(f"The server cannot listen on {host}:{port}: {reason}.") from error
    return bound


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve until the process is interrupted."""
    config = uvicorn.Config(app, log_level="warning", ws_max_size=MESSAGE_BYTES)
    uvicorn.Server(config).run(sockets=[listening])


async def _answer(status: int, request: Request, error: Exception) -> Any:
    return JSONResponse({"detail": str(error)}, status_code=status)
