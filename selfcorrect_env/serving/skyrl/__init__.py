"""The environment inside SkyRL-gym (extra ``skyrl``).

`register` registers `SelfCorrectTextEnv`; `rows` makes the data set that SkyRL reads: a row for
each problem, without its reference. The names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfcorrect_env.serving.skyrl.table import rows
    from selfcorrect_env.serving.skyrl.text_env import SelfCorrectTextEnv, register

__all__ = ["SelfCorrectTextEnv", "register", "rows"]

_MODULES = {"SelfCorrectTextEnv": "text_env", "register": "text_env", "rows": "table"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    if module == "text_env" and find_spec("skyrl_gym") is None:
        raise ModuleNotFoundError(
            'skyrl-gym is not installed: pip install "selfcorrect-env[skyrl]"', name="skyrl_gym"
        )
    return getattr(import_module(f"{__name__}.{module}"), name)
