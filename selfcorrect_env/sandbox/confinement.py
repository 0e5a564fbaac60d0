"""Confinement: how a process restricts itself before it runs an untrusted program.

There are two levels. *strong*: no network, no writing outside a scratch folder, no reading except
Python's own files, no starting or signalling of other processes; it requires Linux with landlock
and seccomp. *basic*: a separate process group with limits of time and memory, which protects
against accidents but not against malicious programs.

Processes import this module without the rest of the package, so it uses the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import sysconfig
from collections.abc import Sequence

from selfcorrect_env.sandbox import landlock

MEBIBYTE = 2**20
PACKAGES = ("site-packages", "dist-packages")
"""Folders of installed packages in those of the standard library."""
LARGEST_FILE = MEBIBYTE
"""Maximum size in bytes of a file that a program writes."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CAPABILITY_VERSION = 0x20080522


def confine(
    *, strong: bool, memory: int, folder: str, writable: bool, readable: Sequence[str] = ()
) -> None:
    """Apply all restrictions except the system call filter to this process and its children.

    Args:
        strong: restrict files as well; otherwise apply limits only.
        memory: bytes of address space.
        folder: the working directory.
        writable: whether the program may write files there.
        readable: folders that may be read beside Python's.

    Raises:
        OSError: the kernel rejects a restriction.
    """
    os.environ.clear()
    os.chdir(folder)
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
    hide_from_debuggers()
    no_new_privileges()
    _drop_capabilities()
    if strong:
        changed = [os.devnull, folder] if writable else [os.devnull]
        rules = landlock.ruleset([*python_files(), *readable], python_folders(), changed)
        landlock.restrict(rules)
        os.close(rules)


def pin_to_core(core: int | None) -> None:
    """Pin this process and its children to one processor core; None for no pinning.

    A program and its checker run alternately, so sharing a core avoids waking another one each
    time.
    """
    if core is not None:
        os.sched_setaffinity(0, {core})


def limit_processor_time(seconds: float) -> None:
    """Limit the processor time of this process, rounded up; the kernel kills it at the limit."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))


def python_files() -> list[str]:
    """Return the paths of the standard library, without installed packages."""
    found = []
    for folder in python_folders():
        found += [os.path.join(folder, name) for name in os.listdir(folder) if name not in PACKAGES]
    libraries = os.path.join(sys.base_prefix, "lib")
    if os.path.isdir(libraries):
        found += [os.path.join(libraries, n) for n in os.listdir(libraries) if ".so" in n]
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for root in ("/lib", "/usr/lib"):
        found += [os.path.join(root, multiarch)] if multiarch else []
    devices = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]
    return [*found, "/lib64", "/usr/lib64", "/usr/share/zoneinfo", "/etc/localtime", *devices]


def python_folders() -> list[str]:
    """Return the folders of the standard library, whose entries may be listed."""
    paths = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return [path for path in dict.fromkeys(map(os.path.realpath, paths)) if os.path.isdir(path)]


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, 9)


def hide_from_debuggers() -> None:
    """Deny other processes of this user the memory and the descriptors of this process."""
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """Permanently prevent this process from gaining privileges; landlock and seccomp require it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _drop_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        # fails beyond the last capability, or if the process has none
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def _prctl(option: int, value: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0), f"prctl({option})")


def _check(result: int, call: str) -> None:
    if result:
        failure = ctypes.get_errno()
        raise OSError(failure, f"{call}: {os.strerror(failure)}")
