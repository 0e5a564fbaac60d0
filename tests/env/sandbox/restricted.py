"""Run a command on a host of another kind: ``python restricted.py OPTIONS COMMAND``.

``--no-namespaces`` installs a seccomp filter that refuses ``unshare``, ``setns``, ``mount`` and new
namespaces by ``clone``, as the default profile of container runtimes does. ``--no-pidfd`` refuses
``pidfd_open``. ``--nobody`` continues as the user 65534, without privileges.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import tempfile

LOAD, AND, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
ALLOW, REFUSE, NO_CALL = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM, ENOSYS
NAMESPACES = {
    "x86_64": {"refused": (272, 308, 165, 166, 155, 442, 428, 429), "clone": 56, "clone3": 435},
    "aarch64": {"refused": (97, 268, 40, 39, 41, 442, 428, 429), "clone": 220, "clone3": 435},
}
PIDFD_OPEN = 434
NEW_NAMESPACES = 0x7E020000


def install(instructions: list[tuple[int, int, int, int]]) -> None:
    """Install a seccomp filter in this process and all that it starts."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(instructions), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter cannot be installed")


def refuse_namespaces() -> None:
    calls = NAMESPACES[platform.machine()]
    code = [(LOAD, 0, 0, 0)]
    for number in calls["refused"]:
        code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    code += [(EQUAL, 0, 1, calls["clone3"]), (RETURN, 0, 0, NO_CALL)]
    code += [(EQUAL, 0, 4, calls["clone"]), (LOAD, 0, 0, 16), (AND, 0, 0, NEW_NAMESPACES)]
    code += [(EQUAL, 1, 0, 0), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    install(code)


def refuse_pidfd() -> None:
    install(
        [(LOAD, 0, 0, 0), (EQUAL, 0, 1, PIDFD_OPEN), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    )


def become_nobody() -> None:
    for path in (sys.base_prefix, sys.prefix, os.getcwd()):
        make_readable(path)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.environ["HOME"] = "/nonexistent"


def make_readable(path: str) -> None:
    """Hide the folders above a path that others may not enter, in a mount namespace of our own."""
    parents = []
    while path not in ("/", *parents):
        parents.append(os.path.dirname(parents[-1] if parents else path))
        if parents[-1] == "/":
            break
    closed = [it for it in parents if it != "/" and not os.stat(it).st_mode & 1]
    if not closed:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    place = tempfile.mkdtemp()

    def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
        words = (source, target, kind, flags, options or None)
        if libc.mount(*(it.encode() if isinstance(it, str) else it for it in words)):
            raise OSError(ctypes.get_errno(), f"mount {target}")

    if libc.unshare(0x20000):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", None, 0x4000 | 0x40000)  # changes stay here
    mount(path, place, None, 0x1000 | 0x4000)
    mount("tmpfs", closed[-1], "tmpfs", 0, "mode=0755")
    os.makedirs(path)
    mount(place, path, None, 0x1000 | 0x4000)
    os.chdir(os.getcwd())


def main(arguments: list[str]) -> None:
    while arguments[0].startswith("--"):
        option = arguments.pop(0)
        {
            "--nobody": become_nobody,
            "--no-namespaces": refuse_namespaces,
            "--no-pidfd": refuse_pidfd,
        }[option]()
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp()  # writable for any user
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
