"""The console script ``selfcorrect``: `main` finds the command, one module runs each.

Commands of other packages use `EnvOptions`, `make_env`, `env_has_splits`, `parse`, `at_least`,
`output_file`, `output_folder`, `note`, `print_json` and `UsageError`. All but the last are imported
on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from selfcorrect_env.errors import UsageError

if TYPE_CHECKING:
    from selfcorrect_env.cli.options import EnvOptions, at_least, env_has_splits, make_env, parse
    from selfcorrect_env.cli.outputs import note, output_file, output_folder, print_json

__all__ = [
    "EnvOptions",
    "UsageError",
    "at_least",
    "env_has_splits",
    "make_env",
    "note",
    "output_file",
    "output_folder",
    "parse",
    "print_json",
]

_MODULES = {
    "EnvOptions": "selfcorrect_env.cli.options",
    "at_least": "selfcorrect_env.cli.options",
    "env_has_splits": "selfcorrect_env.cli.options",
    "make_env": "selfcorrect_env.cli.options",
    "note": "selfcorrect_env.cli.outputs",
    "output_file": "selfcorrect_env.cli.outputs",
    "output_folder": "selfcorrect_env.cli.outputs",
    "parse": "selfcorrect_env.cli.options",
    "print_json": "selfcorrect_env.cli.outputs",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
