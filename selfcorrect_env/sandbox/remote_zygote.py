"""The inner side of a container: a zygote, and the relay between it and the container's streams.

`CODE` is the whole program: it needs Python in the container, and nothing of this package. It reads
the sources of the modules from its standard input first.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from typing import Any

from selfcorrect_env.sandbox import wire, zygote
from selfcorrect_env.sandbox.confinement import hide_from_debuggers
from selfcorrect_env.sandbox.relay import Relay

CODE = """
import importlib.abc, importlib.util, json, os, sys
def read(size):
    parts = []
    while size:
        parts.append(os.read(0, min(size, 65536)) or sys.exit(1))
        size -= len(parts[-1])
    return b"".join(parts)
task = json.loads(read(int.from_bytes(read(8), "big")))
class Sources(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name in task["sources"]:
            return importlib.util.spec_from_loader(name, self, is_package=not task["sources"][name])
    def exec_module(self, module):
        exec(compile(task["sources"][module.__name__], module.__name__, "exec"), module.__dict__)
sys.meta_path.insert(0, Sources())
import selfcorrect_env.sandbox.remote_zygote as entry
entry.main(task["options"])
"""


def main(options: dict[str, Any]) -> None:
    """Serve the zygote's socket on descriptors 0 and 1 until they are closed."""
    hide_from_debuggers()
    near, far = socket.socketpair()
    child = os.fork()
    if not child:
        near.close()
        _serve(far, options)
    far.close()

    def start(number: bytes, sockets: list[socket.socket]) -> None:
        socket.send_fds(near, [number], [it.fileno() for it in sockets])
        for it in sockets:
            it.close()

    Relay(0, 1, near, start).run()
    os.kill(child, signal.SIGKILL)
    os._exit(0)


def _serve(control: socket.socket, options: dict[str, Any]) -> None:
    number = control.detach()
    try:
        scratch = "" if options["strong"] else tempfile.mkdtemp()
        zygote.main({**options, "control": number, "scratch": scratch})
    except BaseException as error:
        wire.send(number, {"job": "", "failed": f"{type(error).__name__}: {error}"[:300]})
    finally:
        os._exit(1)
