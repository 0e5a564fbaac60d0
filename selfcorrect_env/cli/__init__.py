"""The console script ``selfcorrect``: `main` finds the command, one module runs each.

Exported for commands of other packages, and imported on first use: `EnvOptions`, `UsageError`,
`make_env`, `parse`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from selfcorrect_env.errors import UsageError

if TYPE_CHECKING:
    from selfcorrect_env.cli.options import EnvOptions, make_env, parse

__all__ = ["EnvOptions", "UsageError", "make_env", "parse"]

_MODULES = {
    "EnvOptions": "selfcorrect_env.cli.options",
    "make_env": "selfcorrect_env.cli.options",
    "parse": "selfcorrect_env.cli.options",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
