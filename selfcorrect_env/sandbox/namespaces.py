"""New process, network and mount namespaces, with a root folder that holds Python's files alone.

A program there sees no other process, no network and no file except those of Python: not even
whether another one exists. It may write in a small file system in memory, `SCRATCH`, which ends
with the namespaces, so nothing has to be deleted on the disk.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Iterable

SCRATCH = "/scratch"
"""The scratch folder, if the root folder is replaced."""
SCRATCH_OPTIONS = "size=16m,nr_inodes=1024,mode=0700"
"""Mount options of the in-memory file system of the scratch folder."""
ROOT_OPTIONS = "size=1m,nr_inodes=4096,mode=0755"

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
_NEWPID, _NEWNET = 0x20000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_MOUNT_SETATTR = 442  # the same number on every machine
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_ATTR_RDONLY, _ATTR_NOSUID, _AT_FDCWD, _AT_RECURSIVE = 1, 2, -100, 0x8000
_PR_SET_PDEATHSIG = 1


def enter(folder: str = "") -> None:
    """Continue in new namespaces.

    The function returns in a forked child, the first process of the new namespaces. The calling
    process waits for the child and ends with its status: 128 + n if signal n killed it.

    Args:
        folder: an empty folder that the calling process deletes at its end; "" for none.

    Raises:
        OSError: the kernel does not allow this; no process was forked.
    """
    spaces = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(spaces):
        _check(libc.unshare(spaces | _NEWUSER), "unshare")
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {user} 1"),
            ("gid_map", f"0 {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    _mount("none", "/", "", _REC | _PRIVATE)
    child = os.fork()
    if child:
        os.closerange(0, 256)
        _, status = os.waitpid(child, 0)
        libc.umount2(os.fsencode(folder), _MNT_DETACH)  # fails if `mount_scratch` was not called
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    _check(libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl")
    _check(libc.sethostname(b"sandbox", 7), "sethostname")


def mount_scratch(folder: str) -> None:
    """Mount an empty file system in memory at a folder, after `enter`.

    Raises:
        OSError: the kernel does not allow this.
    """
    _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV | _NOEXEC, SCRATCH_OPTIONS)


def replace_root(visible: Iterable[str], hidden: Iterable[str]) -> None:
    """Make a new root folder of these files, read-only, and a scratch folder at `SCRATCH`.

    To be called after `enter`.

    Args:
        visible: files and folders that the new root has at the same path; missing ones are skipped.
        hidden: folders in the visible ones that are empty in the new root.

    Raises:
        OSError: the kernel does not allow this.
    """
    paths = _outermost(visible)
    place = _place(paths)
    _mount("tmpfs", place, "tmpfs", _NOSUID, ROOT_OPTIONS)
    for path in paths:
        inside = place + path
        os.makedirs(inside if os.path.isdir(path) else os.path.dirname(inside), exist_ok=True)
        if not os.path.isdir(path):
            os.close(os.open(inside, os.O_CREAT, 0o600))
        _mount(path, inside, "", _BIND | _REC)
        _set_attributes(inside, _ATTR_RDONLY | _ATTR_NOSUID, _AT_RECURSIVE)
    for path in hidden:
        if os.path.isdir(place + path):
            _mount("tmpfs", place + path, "tmpfs", _NOSUID | _NODEV, "size=0,nr_inodes=1,mode=0500")
            _set_attributes(place + path, _ATTR_RDONLY, 0)
    os.mkdir(place + SCRATCH)
    mount_scratch(place + SCRATCH)
    _set_attributes(place, _ATTR_RDONLY, 0)
    os.chdir(place)
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    _check(libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def _place(paths: list[str]) -> str:
    """Return a folder of the host at which the new root can be built: it has none of the paths."""
    for place in ("/tmp", "/mnt", "/media", "/srv", "/opt", "/run", "/home", "/var"):
        if os.path.isdir(place) and not any(_inside(path, place) for path in paths):
            return os.path.realpath(place)
    raise OSError(errno.ENOENT, "no folder such as /tmp or /mnt at which a root can be mounted")


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the existing paths, real and as given, that are not inside another one."""
    known = {
        form for path in paths if os.path.exists(path) for form in (path, os.path.realpath(path))
    }
    return [path for path in sorted(known) if not any(_inside(path, other) for other in known)]


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (source, target, kind or None, flags, options or None)
    encoded = [os.fsencode(it) if isinstance(it, str) else it for it in arguments]
    _check(libc.mount(*encoded), f"mount {target}")


def _set_attributes(path: str, attributes: int, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = struct.pack("QQQQ", attributes, 0, 0, 0)
    number = libc.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, wanted, ctypes.c_size_t(len(wanted))
    )
    _check(number, f"mount_setattr {path}")


def _check(result: int, call: str) -> None:
    if result:
        failure = ctypes.get_errno()
        raise OSError(failure, f"{call}: {os.strerror(failure)}")
