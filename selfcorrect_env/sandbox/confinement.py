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

from selfcorrect_env.sandbox import landlock

MEBIBYTE = 2**20
LARGEST_FILE = MEBIBYTE
"""Maximum size in bytes of a file that a program writes."""
SCRATCH_OPTIONS = "size=16m,nr_inodes=1024,mode=0700"
"""Mount options of the in-memory file system of the scratch folder."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER = 0x00020000, 0x08000000, 0x10000000
_CLONE_NEWPID, _CLONE_NEWNET = 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18


def confine(*, strong: bool, memory: int, scratch: str, writable: bool) -> None:
    """Apply all restrictions except the system call filter to this process and its children.

    Args:
        strong: restrict files as well; otherwise apply limits only.
        memory: bytes of address space.
        scratch: the working directory.
        writable: whether the program may write files there.

    Raises:
        OSError: the kernel rejects a restriction.
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
    """Return the folders of the standard library, whose entries may be listed."""
    paths = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return [path for path in dict.fromkeys(map(os.path.realpath, paths)) if os.path.isdir(path)]


def enter_namespaces(scratch: str) -> None:
    """Continue in new process, network and mount namespaces, with a new scratch folder.

    The function returns in a forked child, the first process of the new namespaces. The calling
    process waits for the child and exits with it.

    Raises:
        OSError: the kernel does not allow this; no process was forked.
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
    mount_point, options = scratch.encode(), SCRATCH_OPTIONS.encode()
    _check(libc.mount(b"tmpfs", mount_point, b"tmpfs", flags, options), "mount")
    child = os.fork()
    if child:
        os.closerange(0, 256)
        os.waitpid(child, 0)
        os._exit(0)
    _prctl(_PR_SET_PDEATHSIG, 9)


def no_new_privileges() -> None:
    """Permanently prevent this process from gaining privileges; landlock and seccomp require it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def empty(folder: str) -> None:
    """Delete everything that a program created in a folder."""
    with os.scandir(folder) as entries:
        if not any(entries):
            return
    for base, folders, _ in os.walk(folder):
        for name in folders:  # a folder whose owner may not list it
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
