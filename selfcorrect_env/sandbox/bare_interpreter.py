"""Entry of the sandbox's processes: ``python -I -S bare_interpreter.py zygote|probe JSON``.

Lets the modules of this folder be imported by their usual names without the package around them,
so that a warm process holds the standard library and nothing else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types


def main() -> None:
    """Run the module that the first argument names with the options that the second one holds."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, place in (
        ("selfcorrect_env", os.path.dirname(folder)),
        ("selfcorrect_env.sandbox", folder),
    ):
        package = types.ModuleType(name)
        package.__path__ = [place]
        sys.modules[name] = package
    module = importlib.import_module(f"selfcorrect_env.sandbox.{sys.argv[1]}")
    module.main(json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
