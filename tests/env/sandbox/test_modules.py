"""What a warm process imports."""

import subprocess
import sys
from pathlib import Path

from selfcorrect_env.sandbox import zygote

CODE = """
import importlib, sys, types
for name, path in (("selfcorrect_env", sys.argv[1]), ("selfcorrect_env.sandbox", sys.argv[2])):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
zygote = importlib.import_module("selfcorrect_env.sandbox.zygote")
for name in zygote.PREIMPORTED:
    importlib.import_module(name)
print(*sorted({"threading", "random", "logging", "asyncio"} & set(sys.modules)))
"""


def test_a_zygote_imports_no_module_that_runs_code_in_each_fork() -> None:
    folder = Path(zygote.__file__).parent
    command = [sys.executable, "-I", "-S", "-c", CODE, str(folder.parent), str(folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"
