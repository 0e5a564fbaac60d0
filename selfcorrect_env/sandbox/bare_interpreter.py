"""Entry of the sandbox's processes: ``python -I -S bare_interpreter.py zygote|probe JSON``.

Makes the modules of this folder importable by their usual names without the rest of the package,
so that a warm process imports the standard library only.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types


def main() -> None:
    """Run the module named by the first argument with the options in the second one (JSON)."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, path in (
        ("selfcorrect_env", os.path.dirname(folder)),
        ("selfcorrect_env.sandbox", folder),
    ):
        package = types.ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    module = importlib.import_module(f"selfcorrect_env.sandbox.{sys.argv[1]}")
    options = json.loads(sys.argv[2])
    try:
        module.main(options)
    except BaseException as error:
        if "control" in options:  # a warm process has no other way to say what failed
            wire = importlib.import_module("selfcorrect_env.sandbox.wire")
            text = f"{type(error).__name__}: {error}"[:300]
            wire.send(options["control"], {"job": "", "failed": text})
        raise


if __name__ == "__main__":
    main()
