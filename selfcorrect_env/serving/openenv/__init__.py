"""The environment as an OpenEnv server and client (extra ``openenv``).

`serve` and ``selfcorrect serve`` start the server, `SelfCorrectClient` plays on it. The names are
imported on first use: OpenEnv takes seconds to import.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfcorrect_env.serving.openenv.app import build_app, load_splits
    from selfcorrect_env.serving.openenv.client import SelfCorrectClient
    from selfcorrect_env.serving.openenv.environment import ServedEnvironment
    from selfcorrect_env.serving.openenv.models import (
        SelfCorrectAction,
        SelfCorrectObservation,
        SelfCorrectState,
    )

__all__ = [
    "SelfCorrectAction",
    "SelfCorrectClient",
    "SelfCorrectObservation",
    "SelfCorrectState",
    "ServedEnvironment",
    "build_app",
    "load_splits",
]

_MODULES = {
    "SelfCorrectAction": "models",
    "SelfCorrectClient": "client",
    "SelfCorrectObservation": "models",
    "SelfCorrectState": "models",
    "ServedEnvironment": "environment",
    "build_app": "app",
    "load_splits": "app",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("openenv") is None:
        raise ModuleNotFoundError(
            'OpenEnv is not installed: pip install "selfcorrect-env[openenv]"', name="openenv"
        )
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
