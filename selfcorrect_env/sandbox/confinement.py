"""What a process does to itself before it runs a program that nobody trusts.

Two levels. *strong*: no network, no file outside a scratch folder written, none read but Python's
own, no other process started or reached; it needs Linux with landlock and seccomp. *basic*: a
process group of its own with limits of time and memory, which keeps accidents away, not malice.

This module is read by processes that hold nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import sysconfig

from selfcorrect_env.sandbox import landlock

MEBIBYTE = 2**20
LARGEST_FILE = MEBIBYTE
"""Bytes of a file that a program may write."""
SCRATCH_OPTIONS = "size=16m,nr_inodes=1024,mode=0700"
"""Of the file system in memory that holds the scratch folder."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18


def confine(*, strong: bool, memory: int, scratch: str, writable: bool) -> None:
    """Put this process, and all that it forks, under everything but the filter of system calls.

    Args:
        strong: files too; else limits alone.
        memory: bytes of address space.
        scratch: the folder to work in.
        writable: whether files may be written there.

    Raises:
        OSError: the kernel refuses.
    """
    os.environ.clear()
    os.chdir(scratch)
    limits = {
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": LARGEST_FILE,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            resource.setrlimit(kind, (value, value))
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_DUMPABLE, 0)
    no_new_privileges()
    _drop_capabilities()
    if strong:
        rules = landlock.ruleset(python_files(), python_folders(), [scratch] if writable else [])
        landlock.restrict(rules)
        os.close(rules)


def stay_on(core: int | None) -> None:
    """Keep this process, and all that it forks, on one processor core; None for any.

    A program and its checker take turns, so a core for both spares waking another one each time.
    """
    if core is not None:
        os.sched_setaffinity(0, {core})


def limit_processor(seconds: float) -> None:
    """Let this process compute for so long, and a little more; the kernel ends it then."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))


def python_files() -> list[str]:
    """Return what the standard library is read from, without what was installed beside it."""
    found = []
    for folder in python_folders():
        found += [
            os.path.join(folder, name)
            for name in os.listdir(folder)
            if name not in ("site-packages", "dist-packages")
        ]
    libraries = os.path.join(sys.base_prefix, "lib")
    if os.path.isdir(libraries):
        found += [os.path.join(libraries, n) for n in os.listdir(libraries) if ".so" in n]
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for root in ("/lib", "/usr/lib"):
        found += [os.path.join(root, multiarch)] if multiarch else []
    devices = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]
    return [*found, "/lib64", "/usr/lib64", "/usr/share/zoneinfo", "/etc/localtime", *devices]


def python_folders() -> list[str]:
    """Return the folders of the standard library, in which names may be listed."""
    paths = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return [path for path in dict.fromkeys(map(os.path.realpath, paths)) if os.path.isdir(path)]


def enter_namespaces(scratch: str) -> None:
    """Go on in process, network and mount namespaces of its own, with a scratch folder.

    Returns in a forked child, the first process of the new namespaces; this process only waits
    for it and ends with it.

    Raises:
        OSError: the kernel refuses (before anything was forked).
    """
    spaces = _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWPID | _CLONE_NEWNET
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(spaces):
        _check(libc.unshare(spaces | _CLONE_NEWUSER), "unshare")
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {user} 1"),
            ("gid_map", f"0 {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    place, options = scratch.encode(), SCRATCH_OPTIONS.encode()
    _check(libc.mount(b"tmpfs", place, b"tmpfs", flags, options), "mount")
    child = os.fork()
    if child:
        os.closerange(0, 256)
        os.waitpid(child, 0)
        os._exit(0)
    _prctl(_PR_SET_PDEATHSIG, 9)


def no_new_privileges() -> None:
    """Rule out, for good, that this process gains rights; landlock and seccomp ask for it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def empty(folder: str) -> None:
    """Delete everything in a folder, whatever a program made there."""
    with os.scandir(folder) as entries:
        if not any(entries):
            return
    for base, folders, _ in os.walk(folder):
        for name in folders:  # a folder that its owner may not list
            path = os.path.join(base, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    for base, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(os.path.join(base, name))
        for name in folders:
            path = os.path.join(base, name)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)


def _drop_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails past the last, or without them
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def _prctl(option: int, value: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0), f"prctl({option})")


def _check(result: int, call: str) -> None:
    if result:
        failure = ctypes.get_errno()
        raise OSError(failure, f"{call}: {os.strerror(failure)}")
